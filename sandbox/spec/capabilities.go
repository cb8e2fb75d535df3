// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// DefaultCapabilities are a container's when the CRI names none: CRI-O's list, which leaves out NET_RAW, MKNOD, SYS_CHROOT,
// SETFCAP and AUDIT_WRITE of docker's.
var DefaultCapabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_KILL",
}

// capabilities returns the five sets: defaults + add - drop. The inheritable set stays empty, as in the field since
// CVE-2022-24769 (a non-empty one let capabilities leak past exec); ambient ones are only those asked for as ambient, which
// then have to be in all five sets (capabilities(7)).
func capabilities(sc *runtime.LinuxContainerSecurityContext, h Host) (*specs.LinuxCapabilities, error) {
	if sc.GetPrivileged() {
		return capSets(h.Capabilities, nil), nil
	}
	defaults := h.DefaultCapabilities
	if defaults == nil {
		defaults = DefaultCapabilities
	}
	caps := sc.GetCapabilities()
	add, err := capNames("capabilities.add_capabilities", caps.GetAddCapabilities())
	if err != nil {
		return nil, err
	}
	drop, err := capNames("capabilities.drop_capabilities", caps.GetDropCapabilities())
	if err != nil {
		return nil, err
	}
	ambient, err := capNames("capabilities.add_ambient_capabilities", caps.GetAddAmbientCapabilities())
	if err != nil {
		return nil, err
	}
	set, err := applyCaps(defaults, slices.Concat(add, ambient), drop, h.Capabilities)
	if err != nil {
		return nil, err
	}
	ambient = slices.DeleteFunc(expandAll(ambient, h.Capabilities), func(c string) bool { return !slices.Contains(set, c) })
	return capSets(set, ambient), nil
}

// applyCaps starts from what the node has that is a default, or from all or nothing when ALL is added or dropped. A named
// capability wins over the other list's ALL.
func applyCaps(defaults, add, drop, host []string) ([]string, error) {
	set := slices.DeleteFunc(slices.Clone(defaults), func(c string) bool { return !slices.Contains(host, c) })
	if slices.Contains(add, capAll) {
		set = slices.Clone(host)
	}
	if slices.Contains(drop, capAll) {
		set = nil
	}
	for _, c := range add {
		if c == capAll || slices.Contains(set, c) {
			continue
		}
		if !slices.Contains(host, c) {
			return nil, fmt.Errorf("capability %s: %w: the daemon does not have it", c, ErrUnsupported)
		}
		set = append(set, c)
	}
	set = slices.DeleteFunc(set, func(c string) bool { return slices.Contains(drop, c) })
	slices.Sort(set)
	return set, nil
}

const capAll = "CAP_ALL"

func expandAll(caps, host []string) []string {
	if slices.Contains(caps, capAll) {
		return slices.Clone(host)
	}
	return caps
}

// capNames normalises names: any case, with or without CAP_, "ALL". An unknown name is an error.
func capNames(field string, names []string) ([]string, error) {
	var out []string
	for _, n := range names {
		c := strings.ToUpper(n)
		if !strings.HasPrefix(c, "CAP_") {
			c = "CAP_" + c
		}
		if c != capAll && !knownCap(c) {
			return nil, invalid(field, fmt.Sprintf("%q is no capability", n))
		}
		out = append(out, c)
	}
	return out, nil
}

func knownCap(name string) bool {
	return slices.ContainsFunc(capability.ListKnown(), func(c capability.Cap) bool { return "CAP_"+strings.ToUpper(c.String()) == name })
}

func capSets(set, ambient []string) *specs.LinuxCapabilities {
	return &specs.LinuxCapabilities{Bounding: set, Effective: set, Permitted: set, Inheritable: ambient, Ambient: ambient}
}
