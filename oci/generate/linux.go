// SPDX-License-Identifier: Apache-2.0

package generate

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func linuxSettings() []Setting {
	return []Setting{
		{Names: []string{"namespace-add", "linux-namespace-add"}, Usage: "namespace to make, or with a path to join, as type[:path]", apply: addNamespace},
		{Names: []string{"namespace-remove", "linux-namespace-remove"}, Usage: "type of namespace to share with the host", apply: removeNamespace},
		mapping("user IDs", func(s *specs.Spec) *[]specs.LinuxIDMapping { return &s.Linux.UIDMappings }, false, "uidmap"),
		mapping("group IDs", func(s *specs.Spec) *[]specs.LinuxIDMapping { return &s.Linux.GIDMappings }, false, "gidmap"),
		mapping("user IDs", func(s *specs.Spec) *[]specs.LinuxIDMapping { return &s.Linux.UIDMappings }, true, "linux-uidmappings"),
		mapping("group IDs", func(s *specs.Spec) *[]specs.LinuxIDMapping { return &s.Linux.GIDMappings }, true, "linux-gidmappings"),
		{
			Names: []string{"device", "linux-device-add"}, apply: addDevice,
			Usage: "device to make and allow: one of the host as path[:path in the container[:rwm]], or type:major:minor:path",
		},
		{Names: []string{"sysctl", "linux-sysctl"}, Usage: "sysctl as name=value", apply: func(s *specs.Spec, v string) error { return put(&s.Linux.Sysctl, v) }},
		text("path of the cgroup", func(s *specs.Spec) *string { return &s.Linux.CgroupsPath }, "cgroups-path", "linux-cgroups-path"),
	}
}

// namespaceTypes are the words for them; mnt and net are what the kernel calls two of them.
func namespaceTypes() map[string]specs.LinuxNamespaceType {
	return map[string]specs.LinuxNamespaceType{
		"pid": specs.PIDNamespace, "network": specs.NetworkNamespace, "net": specs.NetworkNamespace, "mount": specs.MountNamespace,
		"mnt": specs.MountNamespace, "ipc": specs.IPCNamespace, "uts": specs.UTSNamespace, "user": specs.UserNamespace,
		"cgroup": specs.CgroupNamespace, "time": specs.TimeNamespace,
	}
}

func namespaceType(v string) (specs.LinuxNamespaceType, error) {
	t, ok := namespaceTypes()[v]
	if !ok {
		return "", errors.New("want one of pid, network, mount, ipc, uts, user, cgroup, time")
	}
	return t, nil
}

func addNamespace(s *specs.Spec, v string) error {
	name, at, _ := strings.Cut(v, ":")
	t, err := namespaceType(name)
	if err != nil {
		return err
	}
	if at != "" && !path.IsAbs(at) {
		return errors.New("the path is not absolute")
	}
	n := specs.LinuxNamespace{Type: t, Path: at}
	i := slices.IndexFunc(s.Linux.Namespaces, func(o specs.LinuxNamespace) bool { return o.Type == t })
	if i >= 0 {
		s.Linux.Namespaces[i] = n
		return nil
	}
	s.Linux.Namespaces = append(s.Linux.Namespaces, n)
	return nil
}

// removeNamespace removes a namespace, and the names that are of a UTS namespace only.
func removeNamespace(s *specs.Spec, v string) error {
	t, err := namespaceType(v)
	if err != nil {
		return err
	}
	s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == t })
	if t == specs.UTSNamespace {
		s.Hostname, s.Domainname = "", ""
	}
	return nil
}

// mapping adds a mapping and makes sure of the user namespace.
func mapping(what string, field func(s *specs.Spec) *[]specs.LinuxIDMapping, hostFirst bool, names ...string) Setting {
	form := "container:host:size"
	if hostFirst {
		form = "host:container:size"
	}
	return Setting{Names: names, Usage: "mapping of " + what + " as " + form, apply: func(s *specs.Spec, v string) error {
		m, err := parseMapping(v, hostFirst)
		if err != nil {
			return err
		}
		*field(s) = append(*field(s), m)
		return addNamespace(s, "user")
	}}
}

// addDevice adds a device and the rule that allows its use.
func addDevice(s *specs.Spec, v string) error {
	d, access, err := parseDevice(v)
	if err != nil {
		return err
	}
	s.Linux.Devices = slices.DeleteFunc(s.Linux.Devices, func(o specs.LinuxDevice) bool { return o.Path == d.Path })
	s.Linux.Devices = append(s.Linux.Devices, d)
	if d.Type != "p" {
		kind := d.Type
		if kind == "u" {
			kind = "c"
		}
		s.Linux.Resources.Devices = append(s.Linux.Resources.Devices, specs.LinuxDeviceCgroup{
			Allow: true, Type: kind, Major: &d.Major, Minor: &d.Minor, Access: access,
		})
	}
	return nil
}

// parseDevice reads path[:inside[:rwm]] or type:major:minor:path.
func parseDevice(v string) (d specs.LinuxDevice, access string, err error) {
	parts := strings.Split(v, ":")
	if len(parts) == 4 && len(parts[0]) == 1 {
		d = specs.LinuxDevice{Type: parts[0], Path: parts[3]}
		if d.Major, err = parse[int64](parts[1]); err == nil {
			d.Minor, err = parse[int64](parts[2])
		}
		return d, "rwm", err
	}
	if len(parts) > 3 || !path.IsAbs(parts[0]) {
		return d, "", errors.New("want path[:path in the container[:rwm]] or type:major:minor:path")
	}
	d, err = hostDevice(parts[0])
	access = "rwm"
	if len(parts) > 1 && parts[1] != "" {
		d.Path = parts[1]
	}
	if len(parts) > 2 {
		access = parts[2]
	}
	return d, access, err
}

// hostDevice describes a device of the host.
func hostDevice(p string) (specs.LinuxDevice, error) {
	var st unix.Stat_t
	if err := unix.Stat(p, &st); err != nil {
		return specs.LinuxDevice{}, &os.PathError{Op: "stat", Path: p, Err: err}
	}
	kinds := map[uint32]string{unix.S_IFCHR: "c", unix.S_IFBLK: "b", unix.S_IFIFO: "p"}
	kind, ok := kinds[st.Mode&unix.S_IFMT]
	if !ok {
		return specs.LinuxDevice{}, fmt.Errorf("%s: not a device", p)
	}
	mode := os.FileMode(st.Mode & 0o777)
	return specs.LinuxDevice{
		Path: p, Type: kind, Major: int64(unix.Major(st.Rdev)), Minor: int64(unix.Minor(st.Rdev)), FileMode: &mode, UID: &st.Uid, GID: &st.Gid,
	}, nil
}
