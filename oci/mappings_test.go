// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// joining is the spec of a container in the user namespace of another, without mappings.
func (b *bench) joining(first *subject, path string, args ...string) *specs.Spec {
	b.Helper()
	s := b.spec(args...)
	b.inUserNamespace(s)
	s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
	for i := range s.Linux.Namespaces {
		n := &s.Linux.Namespaces[i]
		switch n.Type {
		case specs.UserNamespace:
			n.Path = path
		case specs.MountNamespace, specs.CgroupNamespace:
		default:
			n.Path = "/proc/" + itoa(first.Pid) + "/ns/" + namespaceFile(n.Type)
		}
	}
	s.Hostname = ""
	return s
}

func TestMappingsOfAJoinedUserNamespaceAreItsOwn(t *testing.T) {
	needsSetattr(t)
	b := newBench(t)
	s := b.spec("wait")
	b.inUserNamespace(s)
	first := b.running(s)
	own := "/proc/" + itoa(first.Pid) + "/ns/user"
	bound := filepath.Join(b.TempDir(), "user")
	if err := errors.Join(os.WriteFile(bound, nil, 0o600), unix.Mount(own, bound, "", unix.MS_BIND, "")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(bound, unix.MNT_DETACH) })
	for _, path := range []string{own, bound} {
		j := b.joining(first, path, "facts", "/mapped/file", "/tmp/file")
		if err := errors.Join(os.Mkdir(filepath.Join(j.Root.Path, "tmp"), 0o755), os.WriteFile(filepath.Join(j.Root.Path, "tmp/file"), nil, 0o600),
			os.Chown(filepath.Join(j.Root.Path, "tmp/file"), 200_000, 200_000)); err != nil {
			t.Fatal(err)
		}
		mapped := bindMount(b.volume(), "/mapped", "idmap")
		j.Mounts = append(j.Mounts, mapped, specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup"}})
		f := b.create(j).facts()
		equal(t, "uid map", strings.Join(strings.Fields(f.UIDMap), " "), "0 200000 65536")
		equal(t, "owner of a mapped volume's file", f.Paths["/mapped/file"].UID, 0)
		equal(t, "owner of a copied file", f.Paths["/tmp/file"].UID, 0)
		if j.Linux.UIDMappings != nil {
			t.Error("the caller's spec was changed")
		}
	}
	other := b.joining(first, own, "facts")
	other.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: 200_000, Size: 65535}}
	other.Linux.GIDMappings = s.Linux.GIDMappings
	if _, err := b.tryCreate(other); !errors.Is(err, ErrInvalid) {
		t.Errorf("other mappings than those of the namespace: %v", err)
	}
	first.Kill(unix.SIGKILL)
	b.wait(first.ID)
	b.poll("the process is gone", func() bool { _, err := os.Stat(own); return err != nil })
	gone := b.joining(first, own, "facts")
	gone.Mounts = append(gone.Mounts, bindMount(b.volume(), "/mapped", "idmap"))
	if _, err := b.tryCreate(gone); err == nil {
		t.Error("the user namespace of a process that is gone was joined")
	}
}

func TestMappingsAreAsTheKernelShowsThem(t *testing.T) {
	got, err := parseIDMap("         0     200000      65536\n     65536          0          1\n")
	want := []specs.LinuxIDMapping{{HostID: 200_000, Size: 65536}, {ContainerID: 65536, Size: 1}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"\n", "0 1\n", "0 1 2 3\n", "a 1 2\n", "0 1 4294967296\n", "-1 0 1\n"} {
		if got, err := parseIDMap(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzParseIDMap(f *testing.F) {
	f.Add("         0     200000      65536\n")
	f.Add("0 1 2\n3 4 5")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseIDMap(text)
		if err != nil {
			return
		}
		if again, err := parseIDMap(idMapText(m)); err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%q: %v, then %v, %v", text, m, again, err)
		}
	})
}

func TestProcessesOfNamespacesAreKnownByTheirPath(t *testing.T) {
	for path, want := range map[string]int{
		"/proc/12/ns/user": 12, "/proc/self/ns/user": 0, "/proc/12/ns/mnt": 0, "/run/ns/user": 0, "/proc/0/ns/user": 0, "/proc/-3/ns/user": 0, "/proc/ns/user": 0,
	} {
		if pid, ok := processOf(path); ok != (want > 0) || ok && pid != want {
			t.Errorf("%s: %d, %v", path, pid, ok)
		}
	}
}

func TestTheCgroupBelongsToTheProcess(t *testing.T) {
	rw := specs.Mount{Destination: "/sys/fs/cgroup/", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid"}}
	ro := rw
	ro.Options = []string{"ro"}
	for _, c := range []struct {
		name    string
		mount   specs.Mount
		uid     uint32
		user    bool
		private bool
		want    uint32 // 0: nobody
	}{
		{"root of a user namespace", rw, 0, true, true, 200_000},
		{"a user of a user namespace", rw, 7, true, true, 200_007},
		{"who is not mapped", rw, 70_000, true, true, 0},
		{"read-only", ro, 0, true, true, 0},
		{"in the host's cgroup namespace", rw, 0, true, false, 0},
		{"a user of the host", rw, 7, false, true, 7},
		{"root of the host", rw, 0, false, true, 0},
	} {
		s := &specs.Spec{Process: &specs.Process{User: specs.User{UID: c.uid}}, Mounts: []specs.Mount{c.mount}, Linux: &specs.Linux{}}
		if c.user {
			s.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: 200_000, Size: 65536}}
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		}
		n := specs.LinuxNamespace{Type: specs.CgroupNamespace}
		if !c.private {
			n.Path = "/proc/1/ns/cgroup"
		}
		s.Linux.Namespaces = append(s.Linux.Namespaces, n)
		if uid, ok := cgroupOwner(s); ok != (c.want != 0) || ok && uid != c.want {
			t.Errorf("%s: %d, %v", c.name, uid, ok)
		}
	}
}

func TestContainersMakeCgroupsBelowTheirOwn(t *testing.T) {
	b := newBench(t)
	if !b.runtime.Host().Unified() {
		t.Skip("cgroup v1: delegation is not safe there, and nothing is given away (runtime-spec config-linux.md)")
	}
	for name, readOnly := range map[string]bool{"writable": false, "read-only": true} {
		s := b.spec("facts", "/sys/fs/cgroup", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/cgroup.subtree_control", "/sys/fs/cgroup/memory.max")
		b.inUserNamespace(s)
		s.Process.User = specs.User{UID: 7, GID: 7}
		for i := range s.Mounts {
			if m := &s.Mounts[i]; m.Destination == "/sys/fs/cgroup" {
				m.Source, m.Options = "cgroup", []string{"nosuid", "noexec", "nodev"}
				if readOnly {
					m.Options = append(m.Options, "ro")
				}
			}
		}
		f := b.create(s).facts()
		owner, refused := uint32(7), false
		if readOnly {
			owner, refused = 65534, true
		}
		for path, uid := range map[string]uint32{
			"/sys/fs/cgroup": owner, "/sys/fs/cgroup/cgroup.procs": owner, "/sys/fs/cgroup/cgroup.subtree_control": owner, "/sys/fs/cgroup/memory.max": 65534,
		} {
			equal(t, name+": owner of "+path, f.Paths[path].UID, uid)
		}
		if p := f.Paths["/sys/fs/cgroup/cgroup.procs"]; (p.WriteError != "") != refused {
			t.Errorf("%s: cgroup.procs: %q", name, p.WriteError)
		}
		if p := f.Paths["/sys/fs/cgroup/memory.max"]; p.WriteError == "" {
			t.Errorf("%s: the container may change its own limit", name)
		}
	}
}
