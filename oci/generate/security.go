// SPDX-License-Identifier: Apache-2.0

package generate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	mobyseccomp "github.com/moby/profiles/seccomp"
	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"
)

func securitySettings() []Setting {
	return []Setting{
		{Names: []string{"cap-add", "process-cap-add"}, Usage: "capabilities to give, separated by commas; ALL for all", apply: addCapabilities},
		{Names: []string{"cap-drop", "process-cap-drop"}, Usage: "capabilities to take away, separated by commas; ALL for all", apply: dropCapabilities},
		flag("whether the process can gain no privileges", func(s *specs.Spec) *bool { return &s.Process.NoNewPrivileges },
			"no-new-privileges", "process-no-new-privileges"),
		{Names: []string{"privileged"}, Usage: "take all confinement away", Flag: true, apply: setPrivileged},
		{Names: []string{"seccomp"}, Usage: "seccomp profile: a file, \"default\" for that of docker, \"unconfined\" for none", apply: setSeccomp},
		text("AppArmor profile of the process", func(s *specs.Spec) *string { return &s.Process.ApparmorProfile }, "apparmor", "linux-apparmor"),
		text("SELinux label of the process", func(s *specs.Spec) *string { return &s.Process.SelinuxLabel }, "selinux-label", "linux-selinux-label"),
		text("SELinux label of the mounts", func(s *specs.Spec) *string { return &s.Linux.MountLabel }, "mount-label", "linux-mount-label"),
		list("path that cannot be read in the container", func(s *specs.Spec) *[]string { return &s.Linux.MaskedPaths }, "masked-path", "linux-masked-paths"),
		list("path that cannot be written in the container", func(s *specs.Spec) *[]string { return &s.Linux.ReadonlyPaths },
			"readonly-path", "linux-readonly-paths"),
	}
}

// sets are those that a capability is given in. Inheritable and ambient ones stay out: what a program of another user inherits is
// seldom what was meant (CVE-2022-24769).
func sets(c *specs.LinuxCapabilities) []*[]string {
	return []*[]string{&c.Bounding, &c.Effective, &c.Permitted}
}

// capabilities reads names, with or without CAP_.
func capabilities(v string) ([]string, error) {
	known := map[string]bool{}
	var all []string
	for _, c := range capability.ListKnown() {
		name := "CAP_" + strings.ToUpper(c.String())
		known[name] = true
		all = append(all, name)
	}
	var names []string
	for name := range strings.SplitSeq(strings.ToUpper(v), ",") {
		if name == "ALL" {
			return all, nil
		}
		if !strings.HasPrefix(name, "CAP_") {
			name = "CAP_" + name
		}
		if !known[name] {
			return nil, fmt.Errorf("%s: unknown capability", name)
		}
		names = append(names, name)
	}
	return names, nil
}

func addCapabilities(s *specs.Spec, v string) error {
	names, err := capabilities(v)
	for _, set := range sets(s.Process.Capabilities) {
		for _, n := range names {
			if !slices.Contains(*set, n) {
				*set = append(*set, n)
			}
		}
	}
	return err
}

func dropCapabilities(s *specs.Spec, v string) error {
	names, err := capabilities(v)
	c := s.Process.Capabilities
	for _, set := range append(sets(c), &c.Inheritable, &c.Ambient) {
		*set = slices.DeleteFunc(*set, func(n string) bool { return slices.Contains(names, n) })
	}
	return err
}

// setPrivileged gives what a container can have: it is root on the host then.
func setPrivileged(s *specs.Spec, v string) error {
	is, err := strconv.ParseBool(v)
	if err != nil || !is {
		return err
	}
	s.Process.NoNewPrivileges = false
	s.Process.ApparmorProfile, s.Process.SelinuxLabel, s.Linux.MountLabel = "", "", ""
	s.Linux.Seccomp, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil, nil
	s.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
	for i := range s.Mounts {
		if t := s.Mounts[i].Type; t == "sysfs" || t == "cgroup" || t == "cgroup2" {
			s.Mounts[i].Options = slices.DeleteFunc(s.Mounts[i].Options, func(o string) bool { return o == "ro" })
		}
	}
	return addCapabilities(s, "ALL")
}

// maxProfile is how large a seccomp profile may be.
const maxProfile = 4 << 20

// setSeccomp sets the profile. What the default allows depends on the capabilities, so that they come before it.
func setSeccomp(s *specs.Spec, v string) (err error) {
	switch v {
	case "unconfined":
		s.Linux.Seccomp = nil
		return nil
	case "default":
		s.Linux.Seccomp, err = mobyseccomp.GetDefaultProfile(s)
		return err
	}
	f, err := os.Open(v)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxProfile+1))
	if err != nil {
		return err
	}
	if len(b) > maxProfile {
		return fmt.Errorf("over %d bytes", maxProfile)
	}
	return readProfile(s, b)
}

// readProfile takes a profile as docker has it, with "includes" and "archMap", or as the runtime spec has it.
func readProfile(s *specs.Spec, b []byte) error {
	var known struct {
		DefaultAction string `json:"defaultAction"`
	}
	if err := json.Unmarshal(b, &known); err != nil {
		return err
	}
	if known.DefaultAction == "" {
		return errors.New("no seccomp profile: defaultAction is missing")
	}
	p, err := mobyseccomp.LoadProfile(string(b), s)
	if err == nil {
		s.Linux.Seccomp = p
	}
	return err
}
