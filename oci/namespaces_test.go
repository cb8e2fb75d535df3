// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestContainersOfAPodShareNamespaces(t *testing.T) {
	b := newBench(t)
	first := b.running(b.spec("wait"))
	s := b.spec("facts", "/proc/1/cmdline")
	for i := range s.Linux.Namespaces {
		n := &s.Linux.Namespaces[i]
		if name := namespaceFile(n.Type); n.Type != specs.MountNamespace && n.Type != specs.CgroupNamespace {
			n.Path = "/proc/" + itoa(first.Pid) + "/ns/" + name
		}
	}
	s.Hostname = ""
	f := b.create(s).facts()
	for _, name := range []string{"pid", "net", "ipc", "uts"} {
		want, err := os.Readlink("/proc/" + itoa(first.Pid) + "/ns/" + name)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "namespace "+name, f.Namespaces[name], want)
	}
	equal(t, "hostname", f.Hostname, "web-0")
	if f.Pid == 1 || !strings.HasPrefix(f.Paths["/proc/1/cmdline"].Content, "/probe\x00wait") {
		t.Errorf("pid %d, process 1 is %q", f.Pid, f.Paths["/proc/1/cmdline"].Content)
	}
}

// namespaceFile is the name in /proc/PID/ns.
func namespaceFile(t specs.LinuxNamespaceType) string {
	switch t {
	case specs.NetworkNamespace:
		return "net"
	case specs.MountNamespace:
		return "mnt"
	}
	return string(t)
}

// inUserNamespace gives a spec a user namespace of its own, and makes the root file system its root's.
func (b *bench) inUserNamespace(s *specs.Spec) []specs.LinuxIDMapping {
	b.Helper()
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 200_000, Size: 65536}}
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	s.Linux.UIDMappings, s.Linux.GIDMappings = ids, ids
	if err := os.Chown(s.Root.Path, 200_000, 200_000); err != nil {
		b.Fatal(err)
	}
	return ids
}

func TestUserNamespace(t *testing.T) {
	needsSetattr(t)
	b := newBench(t)
	s := b.spec("facts", "/dev/null", "/data/file", "/mapped/file", "/mapped", "/proc/sys/kernel/shmmax", "/sys/kernel")
	ids := b.inUserNamespace(s)
	v := b.volume()
	plain, mapped := bindMount(v, "/data", "ro"), bindMount(v, "/mapped")
	mapped.UIDMappings, mapped.GIDMappings = ids, ids
	s.Mounts = append(s.Mounts, plain, mapped)
	s.Linux.Sysctl = map[string]string{"kernel.shmmax": "4567"}
	s.Process.OOMScoreAdj = ptr(300)
	f := b.create(s).facts()
	equal(t, "uid map", strings.Join(strings.Fields(f.UIDMap), " "), "0 200000 65536")
	equal(t, "uids", f.Status["Uid"], "0\t0\t0\t0")
	equal(t, "owner of an unmapped volume's file", f.Paths["/data/file"].UID, 65534)
	equal(t, "owner of a mapped volume's file", f.Paths["/mapped/file"].UID, 0)
	equal(t, "error of writing to the mapped volume", f.Paths["/mapped"].WriteError, "")
	equal(t, "/dev/null", f.Paths["/dev/null"].Rdev, "1:3")
	equal(t, "shmmax", f.Paths["/proc/sys/kernel/shmmax"].Content, "4567\n")
	equal(t, "oom_score_adj", f.OOMScoreAdj, "300")
	checkDescriptors(t, f)
	checkCapabilities(t, f, "00000000000005fb", "00000000000005fb", "0000000000000000")
}

func TestExecInUserNamespace(t *testing.T) {
	b := newBench(t)
	s := b.spec("wait")
	b.inUserNamespace(s)
	k := b.running(s)
	out, x := k.exec(s.Process, "facts")
	if x.Code != 0 {
		t.Fatalf("exit %+v: %s", x, out)
	}
	f := readFacts(t, out)
	equal(t, "uid map", strings.Join(strings.Fields(f.UIDMap), " "), "0 200000 65536")
	equal(t, "uids", f.Status["Uid"], "0\t0\t0\t0")
	checkCapabilities(t, f, "00000000000005fb", "00000000000005fb", "0000000000000000")
}

func TestJoinedUserNamespace(t *testing.T) {
	b := newBench(t)
	s := b.spec("wait")
	b.inUserNamespace(s)
	first := b.running(s)
	j := b.spec("facts")
	b.inUserNamespace(j)
	j.Linux.UIDMappings, j.Linux.GIDMappings = nil, nil
	for i := range j.Linux.Namespaces {
		n := &j.Linux.Namespaces[i]
		if n.Type != specs.MountNamespace && n.Type != specs.CgroupNamespace {
			n.Path = "/proc/" + itoa(first.Pid) + "/ns/" + namespaceFile(n.Type)
		}
	}
	j.Hostname = ""
	j.Linux.UIDMappings, j.Linux.GIDMappings = s.Linux.UIDMappings, s.Linux.GIDMappings
	f := b.create(j).facts()
	equal(t, "uid map", strings.Join(strings.Fields(f.UIDMap), " "), "0 200000 65536")
	equal(t, "hostname", f.Hostname, "web-0")
}

func TestUserNamespaceOnTheHostsNetworkAndProcesses(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts", "/sys/kernel", "/proc/1/comm")
	b.inUserNamespace(s)
	s.Linux.Namespaces = without(s, specs.NetworkNamespace, specs.PIDNamespace)
	s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
	f := b.create(s).facts()
	if f.Paths["/sys/kernel"].Error != "" || f.Paths["/proc/1/comm"].Content == "" {
		t.Errorf("%+v", f.Paths)
	}
	if m := findMount(f, "/sys"); !strings.Contains(m, " ro,") {
		t.Errorf("/sys is %q", m)
	}
}

func TestMappedVolumeWithoutUserNamespace(t *testing.T) {
	needsSetattr(t)
	b := newBench(t)
	s := b.spec("facts", "/mapped/file")
	v := b.volume()
	if err := os.Chown(filepath.Join(v, "file"), 5, 6); err != nil {
		t.Fatal(err)
	}
	m := bindMount(v, "/mapped")
	m.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 5, HostID: 1005, Size: 1}}
	m.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 6, HostID: 1006, Size: 1}}
	s.Mounts = append(s.Mounts, m)
	f := b.create(s).facts().Paths["/mapped/file"]
	equal(t, "owner", f.UID, 1005)
	equal(t, "group", f.GID, 1006)
}

func TestFileSystemWithoutMappedIDsIsNamed(t *testing.T) {
	needsSetattr(t)
	b := newBench(t)
	s := b.spec("facts")
	m := bindMount("/proc/sys", "/mapped")
	m.UIDMappings = []specs.LinuxIDMapping{{HostID: 1000, Size: 1}}
	m.GIDMappings = m.UIDMappings
	m.Options = []string{"bind"}
	s.Mounts = append(s.Mounts, m)
	if _, err := b.tryCreate(s); !errors.Is(err, ErrIDMap) || !strings.Contains(err.Error(), "(proc)") {
		t.Errorf("got %v", err)
	}
}

func TestDevicesOfUserNamespacesAreTheHosts(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts", "/dev/zero", "/dev/sub/dir/zero")
	b.inUserNamespace(s)
	s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/zero", Type: "c", Major: 1, Minor: 3}} // is null's number
	_, err := b.tryCreate(s)
	if !errors.Is(err, syscall.ENODEV) {
		t.Errorf("a device that is another: %v", err)
	}
}

// As with runc and crun, a container may use 127.0.0.1 and ::1 of a network of its own.
func TestLoopbackIsUpInANewNetwork(t *testing.T) {
	b := newBench(t)
	for name, change := range map[string]func(*specs.Spec){
		"root":             func(*specs.Spec) {},
		"a user namespace": func(s *specs.Spec) { b.inUserNamespace(s) },
	} {
		t.Run(name, func(t *testing.T) {
			s := b.spec("facts", "/sys/class/net/lo/flags", "/proc/net/fib_trie", "/proc/net/if_inet6")
			change(s)
			f := b.create(s).facts()
			equal(t, "flags", f.Paths["/sys/class/net/lo/flags"].Content, "0x9\n") // IFF_UP | IFF_LOOPBACK
			if got := f.Paths["/proc/net/fib_trie"].Content; !strings.Contains(got, "127.0.0.1") {
				t.Errorf("no 127.0.0.1:\n%s", got)
			}
			if got := f.Paths["/proc/net/if_inet6"].Content; !strings.HasPrefix(got, "00000000000000000000000000000001 ") {
				t.Errorf("no ::1: %s", got)
			}
		})
	}
}

// The network of somebody else is left as it is.
func TestLoopbackOfAJoinedNetworkIsLeftAlone(t *testing.T) {
	b := newBench(t)
	holder := exec.Command("unshare", "-n", "sleep", "infinity")
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	path := "/proc/" + itoa(holder.Process.Pid) + "/ns/net"
	host, _ := os.Readlink("/proc/self/ns/net")
	b.poll("a network of its own", func() bool { own, _ := os.Readlink(path); return own != host && own != "" })
	s := b.spec("facts", "/sys/class/net/lo/flags")
	for i := range s.Linux.Namespaces {
		if n := &s.Linux.Namespaces[i]; n.Type == specs.NetworkNamespace {
			n.Path = path
		}
	}
	equal(t, "flags", b.create(s).facts().Paths["/sys/class/net/lo/flags"].Content, "0x8\n")
}

// allHolder is a process in new namespaces of all types, with a clock of its own, and the names of their files.
func (b *bench) allHolder(args ...string) (dir string, types map[specs.LinuxNamespaceType]string) {
	b.Helper()
	args = append([]string{"--mount", "--uts", "--ipc", "--net", "--cgroup", "--time", "--boottime", "1000000", "--pid", "--fork"}, args...)
	path := b.holder("net", args...)
	parent := strings.Split(path, "/")[2]
	child := ""
	b.poll("its child", func() bool {
		c, _ := os.ReadFile("/proc/" + parent + "/task/" + parent + "/children")
		child = strings.TrimSpace(string(c))
		return child != ""
	})
	return "/proc/" + child + "/ns/", map[specs.LinuxNamespaceType]string{
		specs.MountNamespace: "mnt", specs.UTSNamespace: "uts", specs.IPCNamespace: "ipc", specs.NetworkNamespace: "net",
		specs.CgroupNamespace: "cgroup", specs.TimeNamespace: "time", specs.PIDNamespace: "pid",
	}
}

func TestAllNamespacesAreJoinedByPath(t *testing.T) {
	for name, args := range map[string][]string{"root's": nil, "a user's": {"--user", "--map-root-user"}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			dir, types := b.allHolder(args...)
			s := b.spec("wait")
			s.Hostname = "joined"
			if args != nil {
				s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool { return m.Type == "devpts" }) // its gid is not mapped
				types[specs.UserNamespace], s.Process.User.AdditionalGids = "user", nil
			}
			s.Linux.Namespaces = nil
			for _, n := range slices.Sorted(maps.Keys(types)) {
				s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: n, Path: dir + types[n]})
			}
			k := b.running(s)
			out, x := k.exec(s.Process, "facts", "/proc/uptime")
			if x.Code != 0 {
				t.Fatalf("exec: %+v %s", x, out)
			}
			f := readFacts(t, out)
			for n, file := range types {
				want, err := os.Readlink(dir + file)
				if err != nil {
					t.Fatal(err)
				}
				own, err := os.Readlink("/proc/" + itoa(k.Pid) + "/ns/" + file)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "the first process's namespace "+string(n), own, want)
				equal(t, "the exec's namespace "+string(n), f.Namespaces[file], want)
			}
			if up := f.Paths["/proc/uptime"].Content; len(up) < 7 || up[0] != '1' {
				t.Errorf("uptime %q: not that of the joined time namespace", up)
			}
			equal(t, "hostname", f.Hostname, "joined")
		})
	}
}

// Namespaces of the host can be joined with a new user namespace, which has no rights to them, and so by an exec later.
func TestNamespacesOfTheHostWithAUserNamespace(t *testing.T) {
	b := newBench(t)
	path := b.holder("net", "--net")
	s := b.spec("wait")
	b.inUserNamespace(s)
	s.Linux.Namespaces = append(without(s, specs.NetworkNamespace), specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: path})
	for i, m := range s.Mounts {
		if m.Type == "sysfs" { // shows a network that the user namespace does not own: the kernel allows no new one
			s.Mounts = slices.Delete(s.Mounts, i, i+1)
			break
		}
	}
	s.Mounts = s.Mounts[:4]
	k := b.running(s)
	want, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	out, x := k.exec(s.Process, "facts")
	if x.Code != 0 {
		t.Fatalf("exec: %+v %s", x, out)
	}
	equal(t, "network", readFacts(t, out).Namespaces["net"], want)
}

// A path of another type is an error before anything is made.
func TestNamespaceOfAnotherTypeIsRefused(t *testing.T) {
	b := newBench(t)
	for declared, path := range map[specs.LinuxNamespaceType]string{
		specs.NetworkNamespace: "/proc/self/ns/uts", specs.MountNamespace: "/proc/self/ns/ipc", specs.UserNamespace: "/proc/self/ns/pid",
		specs.PIDNamespace: "/proc/self/ns/user", specs.TimeNamespace: "/proc/self/ns/net", specs.CgroupNamespace: "/etc/passwd",
	} {
		s := b.spec("facts")
		s.Linux.Namespaces = append(without(s, declared), specs.LinuxNamespace{Type: declared, Path: path})
		_, err := b.tryCreate(s)
		if !errors.Is(err, ErrWrongNamespace) || !strings.Contains(err.Error(), string(declared)+" namespace: "+path) {
			t.Errorf("%s: %v", declared, err)
		}
		if _, err := os.Stat("/sys/fs/cgroup/memory" + s.Linux.CgroupsPath); err == nil {
			t.Errorf("%s: the cgroup was made", declared)
		}
	}
}

// Without a namespace the container has the runtime's, and nothing is set in that.
func TestNamespacesAreInherited(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts")
	s.Linux.Namespaces, s.Hostname, s.Linux.Sysctl = nil, "", nil
	s.Process.Args = []string{"/probe", "wait"}
	k := b.running(s)
	out, x := k.exec(s.Process, "facts", "/probe")
	if x.Code != 0 {
		t.Fatalf("exec: %+v %s", x, out)
	}
	f := readFacts(t, out)
	equal(t, "the root's program", f.Paths["/probe"].Error, "")
	for _, name := range []string{"mnt", "uts", "ipc", "net", "pid", "cgroup", "time", "user"} {
		want, err := os.Readlink("/proc/self/ns/" + name)
		if err != nil {
			t.Fatal(err)
		}
		own, err := os.Readlink("/proc/" + itoa(k.Pid) + "/ns/" + name)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "namespace "+name, own, want)
		equal(t, "the exec's namespace "+name, f.Namespaces[name], want)
	}
	for field, change := range map[string]func(*specs.Spec){
		"hostname":                                func(s *specs.Spec) { s.Hostname = "x" },
		"domainname":                              func(s *specs.Spec) { s.Domainname = "x" },
		`linux.sysctl["net.ipv4.ip_forward"]`:     func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"} },
		`linux.sysctl["kernel.shmmax"]`:           func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"kernel.shmmax": "1"} },
		`linux.sysctl["user.max_mnt_namespaces"]`: func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"user.max_mnt_namespaces": "1"} },
	} {
		s := b.spec("facts")
		s.Linux.Namespaces, s.Hostname, s.Linux.Sysctl = nil, "", nil
		change(s)
		if _, err := b.tryCreate(s); !errors.Is(err, ErrInvalid) || !hasField(err, field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
