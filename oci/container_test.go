// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crisp/oci/internal/facts"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// equal reports a difference of one fact.
func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func ptr[T any](v T) *T { return &v }

func TestContainerIsWhatItsSpecSays(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts", "/", "/dev/null", "/dev/fd", "/dev/stderr", "/dev/ptmx", "/dev/tty", "/dev/fuse", "/dev/shm", "/work/dir")
	s.Process.User = specs.User{UID: 1000, GID: 2000, Umask: ptr(uint32(0o27)), AdditionalGids: []uint32{3000, 5}}
	s.Process.NoNewPrivileges = true
	s.Process.Cwd = "/work/dir"
	s.Process.OOMScoreAdj = ptr(500)
	s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_SIGPENDING", Soft: 100, Hard: 200}, {Type: "RLIMIT_CORE"}}
	s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 3}
	s.Domainname = "example.org"
	s.Root.Readonly = true
	s.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: ptr(os.FileMode(0o640)), UID: ptr(uint32(7)), GID: ptr(uint32(8))},
	}
	f := b.create(s).facts()
	equal(t, "uids", f.Status["Uid"], "1000\t1000\t1000\t1000")
	equal(t, "gids", f.Status["Gid"], "2000\t2000\t2000\t2000")
	equal(t, "groups", f.Status["Groups"], "5 3000")
	equal(t, "umask", f.Umask, 0o27)
	equal(t, "no_new_privs", f.Status["NoNewPrivs"], "1")
	equal(t, "cwd", f.Cwd, "/work/dir")
	equal(t, "oom_score_adj", f.OOMScoreAdj, "500")
	equal(t, "pending signals", f.Limits["Max pending signals"], "100 200")
	equal(t, "core size", f.Limits["Max core file size"], "0 0")
	equal(t, "nice", f.Nice, 3)
	equal(t, "hostname", f.Hostname, "web-0")
	equal(t, "domain name", f.Domainname, "example.org")
	equal(t, "pid", f.Pid, 1)
	equal(t, "session", f.Session, 1)
	equal(t, "arguments", strings.Join(f.Args[:2], " "), "/probe facts")
	equal(t, "environment", strings.Join(f.Env, " "), strings.Join(s.Process.Env, " ")+" HOME=/")
	equal(t, "/dev/null", f.Paths["/dev/null"].Rdev, "1:3")
	equal(t, "/dev/tty", f.Paths["/dev/tty"].Rdev, "5:0")
	equal(t, "/dev/fuse", f.Paths["/dev/fuse"].Mode, "Dcrw-r-----")
	equal(t, "owner of /dev/fuse", f.Paths["/dev/fuse"].UID, 7)
	equal(t, "group of /dev/fuse", f.Paths["/dev/fuse"].GID, 8)
	equal(t, "/dev/fd", f.Paths["/dev/fd"].Link, "/proc/self/fd")
	equal(t, "/dev/stderr", f.Paths["/dev/stderr"].Link, "/proc/self/fd/2")
	equal(t, "/dev/ptmx", f.Paths["/dev/ptmx"].Link, "pts/ptmx")
	checkDescriptors(t, f)
	checkCapabilities(t, f, "00000000000005fb", "0000000000000000", "0000000000000000")
	if root := findMount(f, "/"); !strings.Contains(root, " ro,") {
		t.Errorf("root is %q", root)
	}
	if w := f.Paths["/"].WriteError; !strings.Contains(w, "read-only") && !strings.Contains(w, "permission") {
		t.Errorf("writing to /: %q", w)
	}
}

// checkDescriptors wants nothing but stdio (CVE-2024-21626).
func checkDescriptors(t testing.TB, f facts.Facts) {
	t.Helper()
	if len(f.FDs) != 3 || f.FDs["0"] == "" || f.FDs["1"] == "" || f.FDs["2"] == "" {
		t.Errorf("descriptors %v", f.FDs)
	}
}

// checkCapabilities wants a bounding set, an effective and permitted set, and nothing else.
func checkCapabilities(t testing.TB, f facts.Facts, bounding, effective, inheritable string) {
	t.Helper()
	for name, want := range map[string]string{
		"CapBnd": bounding, "CapEff": effective, "CapPrm": effective, "CapInh": inheritable, "CapAmb": "0000000000000000",
	} {
		equal(t, name, f.Status[name], want)
	}
}

// findMount returns the last line of mountinfo for a mount point, which is the one on top.
func findMount(f facts.Facts, point string) string {
	for _, m := range slices.Backward(f.Mounts) {
		if fields := strings.Fields(m); len(fields) > 4 && fields[4] == point {
			return m
		}
	}
	return ""
}

func TestRootKeepsItsCapabilities(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts")
	checkCapabilities(t, b.create(s).facts(), "00000000000005fb", "00000000000005fb", "0000000000000000")
}

func TestAmbientCapabilitiesReachUsers(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts")
	one := []string{"CAP_NET_BIND_SERVICE"}
	s.Process.User.UID = 1000
	s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: one, Effective: one, Permitted: one, Inheritable: one, Ambient: one}
	f := b.create(s).facts()
	for _, set := range []string{"CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb"} {
		equal(t, set, f.Status[set], "0000000000000400")
	}
}

func TestNoCapabilitiesIsNone(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts")
	s.Process.Capabilities = nil
	none := "0000000000000000"
	checkCapabilities(t, b.create(s).facts(), none, none, none)
}

func TestMaskedAndReadOnlyPathsAre(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts", "/secret", "/secrets", "/link", "/proc/interrupts", "/proc/keys", "/proc/acpi", "/sys/firmware", "/proc/sys",
		"/proc/sys/kernel/core_pattern", "/ro", "/ro/file", "/rw")
	root := s.Root.Path
	for _, d := range []string{"secrets/inside", "ro", "rw"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"secret", "secrets/file", "ro/file", "linked"} {
		if err := os.WriteFile(filepath.Join(root, f), []byte("content"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/linked", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/secret", "/secrets", "/link", "/missing", "/secret/below", "/proc/keys")
	s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, "/ro", "/missing")
	f := b.create(s).facts()
	for _, p := range []string{"/secret", "/proc/interrupts", "/proc/keys"} {
		if got := f.Paths[p]; got.Error == "" && (got.Content != "" || got.Rdev != "1:3") {
			t.Errorf("%s is not masked: %+v", p, got)
		}
	}
	equal(t, "what a masked symlink leads to", f.Paths["/link"].Content, "")
	for _, p := range []string{"/secrets", "/proc/acpi", "/sys/firmware"} {
		got := f.Paths[p]
		if got.Error == "" && (got.Content != "" || !strings.Contains(got.WriteError, "read-only")) {
			t.Errorf("%s is not masked: %+v", p, got)
		}
	}
	for _, p := range []string{"/proc/sys/kernel/core_pattern", "/ro", "/ro/file"} {
		if got := f.Paths[p]; !strings.Contains(got.WriteError, "read-only") {
			t.Errorf("%s is not read-only: %+v", p, got)
		}
	}
	equal(t, "content of /ro/file", f.Paths["/ro/file"].Content, "content")
	equal(t, "error of writing to /rw", f.Paths["/rw"].WriteError, "")
	masks := map[string]bool{}
	for _, m := range f.Mounts {
		if fields := strings.Fields(m); strings.Contains(m, "tmpfs mask ") {
			masks[fields[2]] = true
		}
	}
	if len(masks) != 1 {
		t.Errorf("%d file systems mask directories, want one", len(masks))
	}
}

func TestMaskOfFileCannotBeChanged(t *testing.T) {
	before, err := os.Stat("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	s := b.spec("chmod", "/proc/interrupts")
	s.Process.Capabilities.Effective = append(s.Process.Capabilities.Effective, "CAP_FOWNER")
	s.Process.Capabilities.Permitted = s.Process.Capabilities.Effective
	if x := b.create(s).run(); x.Code != 1 {
		t.Errorf("chmod of a mask ended with %d, want 1 for failed", x.Code)
	}
	after, err := os.Stat("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "mode of the host's /dev/null", after.Mode(), before.Mode())
}

func TestSysctlsAreOfTheContainer(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts", "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/kernel/shmmax", "/proc/sys/fs/mqueue/msg_max")
	s.Linux.Sysctl = map[string]string{
		"net.ipv4.ip_unprivileged_port_start": "123", "kernel/shmmax": "4567", "fs.mqueue.msg_max": "11",
	}
	host, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		t.Fatal(err)
	}
	f := b.create(s).facts()
	equal(t, "port start", f.Paths["/proc/sys/net/ipv4/ip_unprivileged_port_start"].Content, "123\n")
	equal(t, "shmmax", f.Paths["/proc/sys/kernel/shmmax"].Content, "4567\n")
	equal(t, "msg_max", f.Paths["/proc/sys/fs/mqueue/msg_max"].Content, "11\n")
	now, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "port start of the host", string(now), string(host))
}

func TestSysctlOfJoinedHostNamespaceIsRefused(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts")
	for i := range s.Linux.Namespaces {
		if n := &s.Linux.Namespaces[i]; n.Type == specs.NetworkNamespace {
			n.Path = "/proc/self/ns/net"
		}
	}
	s.Linux.Sysctl = map[string]string{"net.ipv4.ip_unprivileged_port_start": "123"}
	if _, err := b.tryCreate(s); !errors.Is(err, ErrWrongNamespace) {
		t.Errorf("got %v", err)
	}
}

func TestNamespaceOfWrongTypeIsRefused(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"/proc/self/ns/uts", "/dev/null", "/nonexistent"} {
		s := b.spec("facts")
		s.Linux.Namespaces[4].Path = path // network
		_, err := b.tryCreate(s)
		if err == nil || !strings.Contains(err.Error(), "network namespace") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestSeccompIsActive(t *testing.T) {
	b := newBench(t)
	for _, nnp := range []bool{false, true} {
		s := b.spec("syscall")
		s.Process.NoNewPrivileges = nnp
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"setdomainname"}, Action: specs.ActErrno, ErrnoRet: ptr(uint(unix.EXDEV))},
		}}
		k := b.create(s)
		if x := k.run(); x.Code != 0 {
			t.Fatalf("exit %+v", x)
		}
		equal(t, "setdomainname", k.output(), unix.EXDEV.Error()+"\n")
	}
}

func TestTimeNamespaceHasItsOffsets(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts", "/proc/uptime")
	if !b.runtime.host.TimeOffsets {
		t.Skip("before Linux 6.2")
	}
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
	s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 1_000_000_000}}
	if up := b.create(s).facts().Paths["/proc/uptime"].Content; len(up) < 10 || up[0] != '1' {
		t.Errorf("uptime %q, want over 1000000000", up)
	}
}

func TestUnknownCapabilitiesAreLeftOut(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts")
	s.Process.Capabilities.Bounding = append(s.Process.Capabilities.Bounding, "CAP_FROB")
	checkCapabilities(t, b.create(s).facts(), "00000000000005fb", "00000000000005fb", "0000000000000000")
}

func TestUnsupportedFieldMakesNothing(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts")
	s.VM = &specs.VM{Kernel: specs.VMKernel{Path: "/boot/vmlinuz"}}
	if _, err := b.tryCreate(s); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "vm") {
		t.Errorf("got %v", err)
	}
	if left := testCgroups(); len(left) != 0 {
		t.Errorf("cgroups %v", left)
	}
}

func TestLabelsWithoutTheirModuleAreRefused(t *testing.T) {
	b := newBench(t)
	if b.runtime.host.AppArmor || b.runtime.host.SELinux {
		t.Skip("this host has a security module on")
	}
	for _, set := range []func(*specs.Process){
		func(p *specs.Process) { p.ApparmorProfile = "x" }, func(p *specs.Process) { p.SelinuxLabel = "x" },
	} {
		s := b.spec("facts")
		set(s.Process)
		if _, err := b.tryCreate(s); !errors.Is(err, ErrLSM) {
			t.Errorf("got %v", err)
		}
	}
}
