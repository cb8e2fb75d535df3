// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"strings"
	"testing"

	"crisp/conmon/plan"
	"crisp/oci/hook"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// hostUser is hostV1 for user 1000, who has no rights.
func hostUser() Host {
	h := hostV1()
	h.Rootless, h.UID, h.GID, h.Capabilities = true, 1000, 1000, 0
	h.CgroupDir, h.CgroupTasks = false, nil
	for i := range h.Hierarchies {
		h.Hierarchies[i].Own = "/user.slice"
	}
	return h
}

// manyIDs are the user's own ID and those of a line in /etc/subuid.
func manyIDs() []specs.LinuxIDMapping {
	return []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 100_000, Size: 65536}}
}

func TestRootlessPlansAreAsPinned(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec, *CompileOptions){
		"rootless": func(*specs.Spec, *CompileOptions) {},
		"rootless-many": func(s *specs.Spec, o *CompileOptions) {
			s.Linux.UIDMappings, s.Linux.GIDMappings = manyIDs(), manyIDs()
			s.Process.User.AdditionalGids = []uint32{7}
			o.Start = true
		},
		"rootless-nested": func(s *specs.Spec, o *CompileOptions) { // root of a user namespace, as engines are that need none
			s.Linux.Namespaces = without(s, specs.UserNamespace, specs.NetworkNamespace)
			s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
			o.Host = hostV2()
			o.Host.UserNamespace, o.Host.GroupsDenied, o.Host.RaiseLimits = true, true, false
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := readSpec(t, "rootless")
			o := options(s, hostUser())
			change(s, &o)
			c, err := Compile(s, o)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, c)
		})
	}
	s := readSpec(t, "rootless")
	c, err := CompileExec(s, s.Process, options(s, hostUser()))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "rootless-exec", c)
}

// TestUsersSeeTheirContainersWhereItIsSafe: hooks find the namespaces in /proc/PID, which is root's for a process that nobody may trace.
func TestUsersSeeTheirContainersWhereItIsSafe(t *testing.T) {
	s := readSpec(t, "rootless")
	s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/true"}}} //nolint:staticcheck // as the spec names it
	dumpable := func(host Host) (before, halted, barrier uint64) {
		t.Helper()
		o := options(s, host)
		o.Start, o.Halt = true, hook.BeforePivot(s.Hooks)
		c, err := Compile(s, o)
		if err != nil {
			t.Fatal(err)
		}
		now := uint64(99)
		for i := range c.Plan.Steps {
			switch x := &c.Plan.Steps[i]; {
			case x.Op == plan.OpPrctl && x.Arg[0] == unix.PR_SET_DUMPABLE:
				if now = x.Arg[1]; before == 0 && i < 3 {
					before = now + 1
				}
			case x.Op == plan.OpSetresuid:
				now = 0 // as the kernel may do
			case x.Op == plan.OpWaitFd:
				halted = now
			case x.Op == plan.OpBarrier:
				barrier = now
			}
		}
		return before - 1, halted, barrier
	}
	for _, c := range []struct {
		name                    string
		host                    Host
		path                    string
		before, halted, barrier uint64
	}{
		{"root", hostV1(), "", 0, 0, 0},
		{"user", hostUser(), "", 1, 1, 1},
		{"user who joins a user namespace, where others are", hostUser(), "/proc/1/ns/user", 0, 0, 1},
	} {
		for i := range s.Linux.Namespaces {
			if s.Linux.Namespaces[i].Type == specs.UserNamespace {
				s.Linux.Namespaces[i].Path = c.path
			}
		}
		if before, halted, barrier := dumpable(c.host); before != c.before || halted != c.halted || barrier != c.barrier {
			t.Errorf("%s: dumpable at first %d, at the halt %d, at the barrier %d", c.name, before, halted, barrier)
		}
	}
}

func TestRootlessContainersAreRefusedWhatIsRoots(t *testing.T) {
	mount := func(s *specs.Spec, options ...string) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/x", Type: "tmpfs", Source: "tmpfs", Options: options})
	}
	for _, c := range []struct {
		name, want string
		change     func(*specs.Spec)
	}{
		{"no user namespace", "linux.namespaces: rootless container requires user namespaces", func(s *specs.Spec) {
			s.Linux.Namespaces = without(s, specs.UserNamespace)
			s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
		}},
		{"no mappings", "linux.uidMappings: no mapping of the container's ID 0", func(s *specs.Spec) { s.Linux.UIDMappings = nil }},
		{"an unmapped group of a file system", "cannot specify gid=5 mount option", func(s *specs.Spec) { mount(s, "gid=5") }},
		{"an unmapped owner of a file system", "cannot specify uid=1 mount option", func(s *specs.Spec) { mount(s, "mode=755", "uid=1") }},
		{"mapped owners", "id-mapped mounts are not supported", func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/x", Type: "bind", Source: "/tmp", Options: []string{"rbind", "idmap"}})
		}},
		{"network devices", "network devices are not supported", func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace})
			s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"eth7": {}}
		}},
		{"a tmpfs filled for another", "tmpcopyup", func(s *specs.Spec) {
			mount(s, "tmpcopyup")
			s.Linux.UIDMappings[0].HostID = 100_000
		}},
		{"groups", "cannot set any additional groups", func(s *specs.Spec) { s.Process.User.AdditionalGids = []uint32{0} }},
		{"clocks in a joined user namespace", "linux.timeOffsets", func(s *specs.Spec) {
			s.Linux.Namespaces = append(without(s, specs.UserNamespace), specs.LinuxNamespace{Type: specs.TimeNamespace},
				specs.LinuxNamespace{Type: specs.UserNamespace, Path: "/proc/1/ns/user"})
			s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 1}}
		}},
	} {
		s := readSpec(t, "rootless")
		c.change(s)
		_, err := Compile(s, options(s, hostUser()))
		var f *FieldError
		if !errors.As(err, &f) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	s := readSpec(t, "rootless")
	mount(s, "uid=0", "gid=0", "size=1k", "uid=me")
	if _, err := Compile(s, options(s, hostUser())); err != nil {
		t.Errorf("IDs that are mapped: %v", err)
	}
}
