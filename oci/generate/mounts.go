// SPDX-License-Identifier: Apache-2.0

package generate

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func rootSettings() []Setting {
	return []Setting{
		text("path to the root file system", func(s *specs.Spec) *string { return &s.Root.Path }, "rootfs", "rootfs-path"),
		flag("make the root file system read-only", func(s *specs.Spec) *bool { return &s.Root.Readonly }, "read-only", "rootfs-readonly"),
		text("mount propagation of the root file system", func(s *specs.Spec) *string { return &s.Linux.RootfsPropagation },
			"propagation", "linux-rootfs-propagation"),
		{Names: []string{"mounts", "mount"}, Usage: "mount as source:destination[:type[:options]], options separated by commas; a bind mount without a type", apply: addMount},
		{Names: []string{"mounts-remove"}, Usage: "destination of a mount to leave out; ALL for all", apply: removeMount},
		{Names: []string{"hostname"}, Usage: "hostname of the container", apply: uts(func(s *specs.Spec) *string { return &s.Hostname })},
		{Names: []string{"domainname"}, Usage: "NIS domain name of the container", apply: uts(func(s *specs.Spec) *string { return &s.Domainname })},
		{Names: []string{"annotation", "label"}, Usage: "annotation as key=value", apply: func(s *specs.Spec, v string) error {
			return put(&s.Annotations, v)
		}},
	}
}

// uts sets a name and makes sure of the namespace that it is of.
func uts(field func(s *specs.Spec) *string) func(s *specs.Spec, v string) error {
	return func(s *specs.Spec, v string) error {
		*field(s) = v
		if v != "" && !slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UTSNamespace }) {
			return addNamespace(s, string(specs.UTSNamespace))
		}
		return nil
	}
}

// put sets an entry of a map.
func put(m *map[string]string, v string) error {
	name, value, err := assignment(v)
	if err != nil {
		return err
	}
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[name] = value
	return nil
}

// addMount replaces a mount of the same destination, in its place.
func addMount(s *specs.Spec, v string) error {
	m, err := parseMount(v)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(s.Mounts, func(o specs.Mount) bool { return path.Clean(o.Destination) == path.Clean(m.Destination) })
	if i >= 0 {
		s.Mounts[i] = m
		return nil
	}
	s.Mounts = append(s.Mounts, m)
	return nil
}

// parseMount reads source:destination[:type[:options]].
func parseMount(v string) (m specs.Mount, err error) {
	parts := strings.SplitN(v, ":", 4)
	if len(parts) < 2 || !path.IsAbs(parts[1]) {
		return m, errors.New("want source:destination[:type[:options]], the destination absolute")
	}
	m.Source, m.Destination, m.Type = parts[0], parts[1], "bind"
	if len(parts) > 2 && parts[2] != "" {
		m.Type = parts[2]
	}
	if len(parts) > 3 && parts[3] != "" {
		m.Options = strings.Split(parts[3], ",")
	}
	bind := slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
	if m.Type == "bind" && !bind {
		m.Options = append([]string{"rbind"}, m.Options...)
	}
	return m, nil
}

func removeMount(s *specs.Spec, v string) error {
	before := len(s.Mounts)
	s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool { return v == "ALL" || path.Clean(m.Destination) == path.Clean(v) })
	if len(s.Mounts) == before && v != "ALL" {
		return errors.New("nothing is mounted there")
	}
	return nil
}

// mappings reads container:host:size, or with hostFirst host:container:size.
func parseMapping(v string, hostFirst bool) (m specs.LinuxIDMapping, err error) {
	parts := strings.Split(v, ":")
	if len(parts) != 3 {
		return m, errors.New("want three numbers with colons between them")
	}
	var n [3]uint64
	for i, p := range parts {
		if n[i], err = strconv.ParseUint(p, 10, 32); err != nil {
			return m, errors.New("want three numbers with colons between them")
		}
	}
	if hostFirst {
		n[0], n[1] = n[1], n[0]
	}
	return specs.LinuxIDMapping{ContainerID: uint32(n[0]), HostID: uint32(n[1]), Size: uint32(n[2])}, nil
}
