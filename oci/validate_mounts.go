// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"math"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func (v *validator) mounts() {
	for i := range v.spec.Mounts {
		v.mount(at("mounts", i), &v.spec.Mounts[i])
	}
	v.coveredMounts()
}

func (v *validator) mount(field string, m *specs.Mount) {
	switch {
	case m.Destination == "":
		v.invalid(field+".destination", "missing")
	case path.Clean("/"+m.Destination) == "/":
		v.invalid(field+".destination", "%q: the root has its own field", m.Destination)
	}
	v.advise(m.Destination != "" && !path.IsAbs(m.Destination), field+".destination", "%q: not absolute", m.Destination)
	v.text(field+".destination", m.Destination)
	v.text(field+".source", m.Source)
	v.text(field+".type", m.Type)
	v.texts(field+".options", m.Options)
	v.mountMappings(field, m)
	if v.thorough {
		v.mountOptions(field, m)
	}
}

func (v *validator) mountMappings(field string, m *specs.Mount) {
	mapped := len(m.UIDMappings) > 0 || len(m.GIDMappings) > 0
	idmap := slices.Contains(m.Options, "idmap") || slices.Contains(m.Options, "ridmap")
	if (len(m.UIDMappings) == 0) != (len(m.GIDMappings) == 0) {
		v.invalid(field+".uidMappings", "uidMappings and gidMappings go together")
	}
	v.mappings(field+".uidMappings", m.UIDMappings)
	v.mappings(field+".gidMappings", m.GIDMappings)
	v.advise(mapped && !idmap, field+".options", "neither idmap nor ridmap, so that older runtimes ignore the mappings")
	ownIDs := v.spec.Linux != nil && len(v.spec.Linux.UIDMappings) > 0 && len(v.spec.Linux.GIDMappings) > 0
	if idmap && !mapped && !ownIDs && namespace(v.spec, specs.UserNamespace) == nil {
		v.invalid(field+".options", "idmap without uidMappings and gidMappings, and without a user namespace to take them from")
	}
}

// mountOptions finds options that undo each other, and fields that have no effect.
func (v *validator) mountOptions(field string, m *specs.Mount) {
	o := parseMountOptions(m.Options)
	seen := map[string]bool{}
	for i, s := range m.Options {
		v.advise(s == "", at(field+".options", i), "is empty")
		v.advise(seen[s], at(field+".options", i), "%q: given twice", s)
		for _, opposite := range []string{strings.TrimPrefix(s, "no"), "no" + s} {
			known := opposite != s && (knownFlag(opposite) && knownFlag(s))
			v.advise(known && seen[opposite], at(field+".options", i), "%q: overrides %q", s, opposite)
		}
		v.advise(s == "ro" && seen["rw"] || s == "rw" && seen["ro"], at(field+".options", i), "%q: overrides an earlier one", s)
		v.advise(s == "mand" || s == "nomand", at(field+".options", i), "%q: mandatory locking is gone since Linux 5.15", s)
		seen[s] = true
	}
	v.advise(len(o.propagation) > 1, field+".options", "more than one propagation; the last one holds")
	bind := o.bind || m.Type == "bind"
	v.advise(o.bind && m.Type != "" && m.Type != "bind" && m.Type != "none", field+".type", "%q: a bind mount has no type", m.Type)
	switch { // as Compile has it, which says it of the first one only
	case bind && m.Source == "":
		v.invalid(field+".source", "missing: a bind mount has one")
	case !bind && !o.remount && m.Type == "":
		v.invalid(field+".type", "missing: only a bind mount has none")
	}
}

func knownFlag(s string) bool {
	_, mount := mountFlags.find(s)
	_, super := superblockFlags.find(s)
	return mount || super
}

// coveredMounts finds mounts that a later one hides.
func (v *validator) coveredMounts() {
	if !v.thorough || len(v.spec.Mounts) > 1000 { // each with each
		return
	}
	clean := make([]string, len(v.spec.Mounts))
	for i := range v.spec.Mounts {
		clean[i] = path.Clean("/" + v.spec.Mounts[i].Destination)
		if slices.Contains(v.spec.Mounts[i].Options, "remount") {
			continue
		}
		for j := range i {
			same, above := clean[j] == clean[i], strings.HasPrefix(clean[j], clean[i]+"/")
			v.advise(same || above, at("mounts", j), "covered by mounts[%d] on %s", i, clean[i])
		}
	}
}

func (v *validator) mappings(field string, all []specs.LinuxIDMapping) {
	if len(all) > maxMappings {
		v.invalid(field, "%d: the kernel takes %d at most", len(all), maxMappings)
		return
	}
	for i, m := range all {
		switch {
		case m.Size == 0:
			v.invalid(at(field, i)+".size", "is 0")
		case uint64(m.ContainerID)+uint64(m.Size) > math.MaxUint32, uint64(m.HostID)+uint64(m.Size) > math.MaxUint32:
			v.invalid(at(field, i)+".size", "%d: goes over the highest ID", m.Size)
		}
		for j, o := range all[:i] {
			inside := overlap(m.ContainerID, o.ContainerID, m.Size, o.Size)
			if inside || overlap(m.HostID, o.HostID, m.Size, o.Size) {
				v.invalid(at(field, i), "overlaps with %s", at(field, j))
			}
		}
	}
}

// maxMappings is UID_GID_MAP_MAX_EXTENTS of include/linux/user_namespace.h.
const maxMappings = 340

func overlap(a, b, sizeA, sizeB uint32) bool {
	return uint64(a) < uint64(b)+uint64(sizeB) && uint64(b) < uint64(a)+uint64(sizeA)
}
