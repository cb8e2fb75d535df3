// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"math/bits"
	"strings"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// capabilitySets are the five sets as bit masks.
type capabilitySets struct{ bounding, effective, permitted, inheritable, ambient uint64 }

// capabilityBits gives the bit of each capability's name, "CAP_CHOWN" and so on.
func capabilityBits() map[string]uint64 {
	all := map[string]uint64{}
	for _, c := range capability.ListKnown() {
		all["CAP_"+strings.ToUpper(c.String())] = 1 << c
	}
	return all
}

// capabilities reads process.capabilities. Names that are unknown and capabilities that cannot be given are left out with a warning
// (runtime-spec config.md, "capabilities"). Nothing given is nothing had.
func (a *assembly) capabilities() capabilitySets {
	c := a.process.Capabilities
	if c == nil {
		c = &specs.LinuxCapabilities{}
	}
	known := capabilityBits()
	limit := ^uint64(0)
	if !a.userns { // root of a user namespace has all
		limit = a.opts.Host.Capabilities
	}
	read := func(set string, names []string) uint64 {
		var mask uint64
		for _, name := range names {
			bit, ok := known[name]
			switch {
			case !ok:
				a.warn("process.capabilities.%s: %s: unknown capability", set, name)
			case bit&limit == 0:
				a.warn("process.capabilities.%s: %s: cannot be given", set, name)
			default:
				mask |= bit
			}
		}
		return mask
	}
	s := capabilitySets{
		bounding: read("bounding", c.Bounding), effective: read("effective", c.Effective),
		permitted: read("permitted", c.Permitted), inheritable: read("inheritable", c.Inheritable),
		ambient: read("ambient", c.Ambient),
	}
	// What the kernel would refuse (capabilities(7)). runc goes on without too, and what its spec command wrote for years asks for it.
	if odd := s.ambient &^ (s.permitted & s.inheritable); odd != 0 {
		a.warn("process.capabilities.ambient: not permitted and inheritable: %s", capabilityNames(odd))
		s.ambient &^= odd
	}
	return s
}

// check says what the kernel would refuse (capabilities(7)).
func (s capabilitySets) check() error {
	if s.effective&^s.permitted != 0 {
		return invalid("process.capabilities.effective", "not permitted: "+capabilityNames(s.effective&^s.permitted))
	}
	return nil
}

func capabilityNames(mask uint64) string {
	var names []string
	for ; mask != 0; mask &= mask - 1 {
		names = append(names, "CAP_"+strings.ToUpper(capability.Cap(bits.TrailingZeros64(mask)).String()))
	}
	return strings.Join(names, ", ")
}
