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
		if err := checkSysctl(v.spec, name, l.Sysctl[name]); err != nil {
			v.errs = append(v.errs, err)
		}
	}
	v.paths("linux.maskedPaths", l.MaskedPaths)
	v.paths("linux.readonlyPaths", l.ReadonlyPaths)
	v.text("linux.mountLabel", l.MountLabel)
	v.text("linux.cgroupsPath", l.CgroupsPath)
	if _, err := rootPropagation(l.RootfsPropagation); err != nil {
		v.errs = append(v.errs, err)
	}
	if p := l.Personality; p != nil {
		if _, ok := personalities[p.Domain]; !ok {
			v.invalid("linux.personality.domain", "%q: unknown", p.Domain)
		}
	}
}

func (v *validator) namespaces() {
	seen := map[specs.LinuxNamespaceType]bool{}
	for i, n := range v.spec.Linux.Namespaces {
		field := fmt.Sprintf("linux.namespaces[%d]", i)
		if _, ok := namespaceFlags[n.Type]; !ok {
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
		// The mounts of a container in a namespace that others live in would outlive it, and pivot_root move their roots too.
		v.unsupported(field+".path: join a mount namespace", n.Type == specs.MountNamespace && n.Path != "")
	}
	v.unsupported("linux.namespaces: a container without a mount namespace", !seen[specs.MountNamespace])
}

func (v *validator) userNamespace() {
	l := v.spec.Linux
	v.mappings("linux.uidMappings", l.UIDMappings)
	v.mappings("linux.gidMappings", l.GIDMappings)
	user := namespace(v.spec, specs.UserNamespace)
	switch {
	case user == nil && (len(l.UIDMappings) > 0 || len(l.GIDMappings) > 0):
		v.invalid("linux.uidMappings", "without a user namespace")
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
		field := fmt.Sprintf("linux.timeOffsets.%s", clock)
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
	for i := range v.spec.Linux.Devices {
		d := &v.spec.Linux.Devices[i]
		field := fmt.Sprintf("linux.devices[%d]", i)
		if !path.IsAbs(d.Path) || path.Clean(d.Path) == "/" {
			v.invalid(field+".path", "%q: not an absolute path of a file", d.Path)
		}
		v.text(field+".path", d.Path)
		if _, ok := deviceKinds[d.Type]; !ok {
			v.invalid(field+".type", "%q: none of c, b, u, p", d.Type)
		}
		if d.Major < 0 || d.Major >= 1<<12 { // the kernel's MINORBITS is 20 of 32
			v.invalid(field+".major", "%d: not a device number", d.Major)
		}
		if d.Minor < 0 || d.Minor >= 1<<20 {
			v.invalid(field+".minor", "%d: not a device number", d.Minor)
		}
	}
}

func (v *validator) paths(field string, all []string) {
	for i, p := range all {
		if !path.IsAbs(p) {
			v.invalid(fmt.Sprintf("%s[%d]", field, i), "%q: not absolute", p)
		}
		v.text(fmt.Sprintf("%s[%d]", field, i), p)
	}
}
