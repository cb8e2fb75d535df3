// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func (v *validator) linux() {
	l := v.spec.Linux
	v.namespaces()
	v.userNamespace()
	v.timeOffsets()
	v.uts()
	v.devices()
	for _, name := range slices.Sorted(maps.Keys(l.Sysctl)) {
		v.add(checkSysctl(v.spec, name, l.Sysctl[name]))
	}
	v.resources()
	v.seccomp()
	v.netDevices()
	v.intelRdt()
	v.memoryPolicy()
	v.paths("linux.maskedPaths", l.MaskedPaths)
	v.paths("linux.readonlyPaths", l.ReadonlyPaths)
	v.text("linux.mountLabel", l.MountLabel)
	v.text("linux.cgroupsPath", l.CgroupsPath)
	_, err := rootPropagation(l.RootfsPropagation)
	v.add(err)
	if p := l.Personality; p != nil {
		if _, ok := personalities.find(p.Domain); !ok {
			v.invalid("linux.personality.domain", "%q: unknown", p.Domain)
		}
		if len(p.Flags) > 0 {
			v.invalid("linux.personality.flags", "%q: the runtime spec defines none", p.Flags[0])
		}
	}
}

func (v *validator) namespaces() {
	seen := map[specs.LinuxNamespaceType]bool{}
	for i, n := range v.spec.Linux.Namespaces {
		field := at("linux.namespaces", i)
		if _, ok := namespaceFlags.find(n.Type); !ok {
			v.invalid(field+".type", "%q: unknown", n.Type)
		}
		if seen[n.Type] {
			v.invalid(field+".type", "%q: given twice", n.Type)
		}
		seen[n.Type] = true
		if n.Path != "" && !path.IsAbs(n.Path) {
			v.invalid(field+".path", "%q: not absolute", n.Path)
		}
		v.text(field+".path", n.Path)
	}
}

func (v *validator) userNamespace() {
	l := v.spec.Linux
	v.mappings("linux.uidMappings", l.UIDMappings)
	v.mappings("linux.gidMappings", l.GIDMappings)
	user := namespace(v.spec, specs.UserNamespace)
	switch {
	case user == nil && (len(l.UIDMappings) > 0 || len(l.GIDMappings) > 0):
		v.invalid("linux.uidMappings", "without a user namespace")
	case user != nil && user.Path != "":
		v.advise(len(l.UIDMappings) > 0 || len(l.GIDMappings) > 0, "linux.uidMappings", "needless: those of the user namespace that is joined count, and must be the same")
	case user != nil && user.Path == "":
		v.mapsRoot("linux.uidMappings", l.UIDMappings)
		v.mapsRoot("linux.gidMappings", l.GIDMappings)
	}
}

// mapsRoot demands an ID 0: who sets up the container must be root in it.
func (v *validator) mapsRoot(field string, all []specs.LinuxIDMapping) {
	if !slices.ContainsFunc(all, func(m specs.LinuxIDMapping) bool { return m.ContainerID == 0 }) {
		v.invalid(field, "no mapping of the container's ID 0")
	}
}

func (v *validator) timeOffsets() {
	offsets := v.spec.Linux.TimeOffsets
	if n := namespace(v.spec, specs.TimeNamespace); len(offsets) > 0 && (n == nil || n.Path != "") {
		v.invalid("linux.timeOffsets", "without a new time namespace")
	}
	for _, clock := range slices.Sorted(maps.Keys(offsets)) {
		field := "linux.timeOffsets." + clock
		if clock != "monotonic" && clock != "boottime" {
			v.invalid(field, "unknown clock")
		}
		if offsets[clock].Nanosecs >= 1e9 {
			v.invalid(field+".nanosecs", "%d: a second or more", offsets[clock].Nanosecs)
		}
	}
}

// uts checks the names of the host against __NEW_UTS_LEN.
func (v *validator) uts() {
	for _, f := range [][2]string{{"hostname", v.spec.Hostname}, {"domainname", v.spec.Domainname}} {
		field, name := f[0], f[1]
		if name != "" && namespace(v.spec, specs.UTSNamespace) == nil {
			v.invalid(field, "without a UTS namespace")
		}
		if len(name) > 64 {
			v.invalid(field, "%q: longer than 64 bytes", name)
		}
		v.text(field, name)
	}
}

func (v *validator) devices() {
	paths, numbers := map[string]int{}, map[string]int{}
	for i := range v.spec.Linux.Devices {
		d := &v.spec.Linux.Devices[i]
		field := at("linux.devices", i)
		v.device(field, d)
		number := fmt.Sprint(d.Type, d.Major, ":", d.Minor)
		before, twice := numbers[number]
		v.advise(twice && d.Type != "p", field, "the same device as %s", at("linux.devices", before))
		numbers[number] = i
		before, twice = paths[path.Clean(d.Path)]
		v.advise(twice, field+".path", "%q: the same path as that of %s, which it replaces", d.Path, at("linux.devices", before))
		paths[path.Clean(d.Path)] = i
	}
}

func (v *validator) device(field string, d *specs.LinuxDevice) {
	if !path.IsAbs(d.Path) || path.Clean(d.Path) == "/" {
		v.invalid(field+".path", "%q: not an absolute path of a file", d.Path)
	}
	v.text(field+".path", d.Path)
	if _, ok := deviceKinds.find(d.Type); !ok {
		v.invalid(field+".type", "%q: none of c, b, u, p", d.Type)
	}
	v.number(field, d.Major, d.Minor)
	v.advise(d.FileMode != nil && d.FileMode.Perm() != *d.FileMode, field+".fileMode", "only the permission bits (octal 0777) count")
	if d.UID != nil && *d.UID == unchanged {
		v.invalid(field+".uid", "%d: not a user ID", *d.UID)
	}
	if d.GID != nil && *d.GID == unchanged {
		v.invalid(field+".gid", "%d: not a group ID", *d.GID)
	}
}

// number checks a device number: MINORBITS of the kernel's include/linux/kdev_t.h is 20 of 32.
func (v *validator) number(field string, major, minor int64) {
	if major < 0 || major >= 1<<12 {
		v.invalid(field+".major", "%d: not a device number", major)
	}
	if minor < 0 || minor >= 1<<20 {
		v.invalid(field+".minor", "%d: not a device number", minor)
	}
}

func (v *validator) paths(field string, all []string) {
	for i, p := range all {
		if !path.IsAbs(p) {
			v.invalid(at(field, i), "%q: not absolute", p)
		}
		v.text(at(field, i), p)
	}
}
