// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// netDevices are moved from the host into the container's own network namespace. Names that end in "%d" are templates.
func (v *validator) netDevices() {
	const field = "linux.netDevices"
	devices := v.spec.Linux.NetDevices
	if len(devices) > 0 && namespace(v.spec, specs.NetworkNamespace) == nil {
		v.invalid(field, "without a network namespace")
	}
	inside := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(devices)) {
		v.interfaceName(key(field, name), name)
		to := name
		if n := devices[name].Name; n != "" {
			v.interfaceName(key(field, name)+".name", n)
			to = n
		}
		if before, ok := inside[to]; ok && !strings.HasSuffix(to, "%d") {
			v.invalid(key(field, name), "is to be %q in the container, and so is %q", to, before)
		}
		inside[to] = name
	}
}

func (v *validator) intelRdt() {
	const field = "linux.intelRdt"
	r := v.spec.Linux.IntelRdt
	if r == nil {
		return
	}
	if r.ClosID == "." || r.ClosID == ".." || r.ClosID != "/" && strings.ContainsAny(r.ClosID, "/\n\x00") {
		v.invalid(field+".closID", "%q: not the name of a directory", r.ClosID)
	}
	for i, s := range r.Schemata {
		if strings.ContainsAny(s, "\n\x00") {
			v.invalid(at(field+".schemata", i), "%q: more than one line", s)
		}
	}
	if strings.ContainsAny(r.L3CacheSchema, "\x00") {
		v.invalid(field+".l3CacheSchema", "has a NUL byte")
	}
	v.advise(strings.ContainsAny(r.L3CacheSchema, "\n"), field+".l3CacheSchema", "%q: more than one line", r.L3CacheSchema)
	v.advise(r.L3CacheSchema != "" && !strings.HasPrefix(r.L3CacheSchema, "L3:"), field+".l3CacheSchema", "does not start with L3:")
	if s := r.MemBwSchema; s != "" && !strings.HasPrefix(s, "MB:") {
		v.invalid(field+".memBwSchema", "%q: does not start with MB:", s)
	}
	if strings.ContainsAny(r.MemBwSchema, "\n\x00") {
		v.invalid(field+".memBwSchema", "%q: more than one line", r.MemBwSchema)
	}
}

func (v *validator) memoryPolicy() {
	const field = "linux.memoryPolicy"
	p := v.spec.Linux.MemoryPolicy
	if p == nil {
		return
	}
	mode, ok := memoryModes.find(p.Mode)
	switch {
	case !ok:
		v.invalid(field+".mode", "invalid memory policy mode %q", p.Mode)
	case mode.nodes == "none" && p.Nodes != "":
		v.invalid(field+".nodes", "%q: %s has none", p.Nodes, p.Mode)
	case mode.nodes == "some" && p.Nodes == "":
		v.invalid(field+".nodes", "missing: %s has some", p.Mode)
	}
	if _, err := cpuMask(p.Nodes); p.Nodes != "" && err != nil {
		v.invalid(field+".nodes", "invalid memory policy nodes %q: not a list such as 0-3,7", p.Nodes)
	}
	v.memoryFlags(field+".flags", p)
}

// memoryFlags: which flags go together is in set_mempolicy(2).
func (v *validator) memoryFlags(field string, p *specs.LinuxMemoryPolicy) {
	for i, f := range p.Flags {
		if _, ok := memoryFlags.find(f); !ok {
			v.invalid(at(field, i), "invalid memory policy flag %q", f)
		}
	}
	has := func(f specs.MemoryPolicyFlagType) bool { return slices.Contains(p.Flags, f) }
	if has(specs.MpolFRelativeNodes) && has(specs.MpolFStaticNodes) {
		v.invalid(field, "MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES exclude each other")
	}
	balanced := p.Mode == specs.MpolBind || p.Mode == specs.MpolPreferredMany // the latter since Linux 6.9
	if has(specs.MpolFNumaBalancing) && !balanced {
		v.invalid(field, "MPOL_F_NUMA_BALANCING is for MPOL_BIND and MPOL_PREFERRED_MANY")
	}
	if memoryModes.get(p.Mode).nodes == "none" && len(p.Flags) > 0 {
		v.invalid(field, "%s has none", p.Mode)
	}
}
