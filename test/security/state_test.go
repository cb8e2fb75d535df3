// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestIDsAreNoPaths: no command follows an ID out of the engine's state directory (CVE-2025-0750).
func TestIDsAreNoPaths(t *testing.T) {
	b := newBench(t)
	victim := b.make("victim")
	b.file(filepath.Join(victim, "record.json"), "{}", 0o600)
	b.file(filepath.Join(victim, "state.json"), "{}", 0o600)
	k := b.bundle("exit", "0")
	k.save()
	before := list(t, b.dir, b.root)
	for _, id := range []string{
		"../victim", "..", ".", "", "/", "a/../../victim", filepath.Join(b.dir, "victim"), "../../../../../../.." + victim, "a/b", "x\n", "x\x01",
		strings.Repeat("x", 300), "*", "ü",
	} {
		for _, words := range [][]string{
			{"create", "--bundle", k.dir}, {"run", "--bundle", k.dir}, {"state"}, {"start"}, {"kill"}, {"delete"}, {"delete", "--force"}, {"pause"},
			{"ps"}, {"update", "--pids-limit", "5"},
		} {
			if r := b.command(append(words, id)...); r.code == 0 && !(words[0] == "delete" && len(words) == 2) { // --force forgives what is not there
				t.Errorf("%s %q went well", strings.Join(words, " "), id)
			}
		}
	}
	if now := list(t, b.dir, b.root); now != before {
		t.Errorf("outside of the state directory there is now\n%s\nbefore\n%s", now, before)
	}
	if entries, err := os.ReadDir(b.root); err != nil || len(entries) != 0 {
		t.Errorf("in the state directory: %v, %v", entries, err)
	}
}

// list names everything below a directory but for what is below skip, and the output of commands.
func list(t testing.TB, dir, skip string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil || p == skip {
			return fs.SkipDir
		}
		if base := filepath.Base(p); !strings.HasPrefix(base, "out") && !strings.HasPrefix(base, "err") {
			b.WriteString(p + "\n")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestStateBelongsToItsOwner: whatever the umask, nobody else may enter or write the state directories, nor connect to the sockets in
// them (CVE-2024-25621).
func TestStateBelongsToItsOwner(t *testing.T) {
	b := newBench(t)
	program, err := theAttacker()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tools, 0o711); err != nil {
		t.Fatal(err)
	}
	for _, mask := range []int{0, 0o077} {
		old := unix.Umask(mask)
		b.root = filepath.Join(b.dir, fmt.Sprintf("root-%o", mask)) // the engine makes it
		c := b.bundle("wait").create()
		unix.Umask(old)
		err := filepath.WalkDir(filepath.Join(b.root, c.id), func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			st, err := d.Info()
			if err != nil {
				return err
			}
			if mode := st.Mode().Perm(); mode&0o077 != 0 && (st.IsDir() || mode&0o022 != 0) {
				t.Errorf("umask %03o: %s has mode %03o", mask, strings.TrimPrefix(p, b.root), mode)
			}
			if st.Mode()&fs.ModeSocket == 0 {
				return nil
			}
			cmd := exec.Command(program, "connect", p)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			if out, _ := cmd.CombinedOutput(); !contains(string(out), "permission denied") {
				t.Errorf("umask %03o: another user connects to %s: %s", mask, p, out)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		c.start().ready()
		c.delete()
	}
}

// TestNoAbstractSockets: they have no owner, and every container on the host's network reaches them (CVE-2020-15257).
func TestNoAbstractSockets(t *testing.T) {
	b := newBench(t)
	abstract := func() (names []string) {
		for l := range strings.Lines(read(t, "/proc/net/unix")) {
			if f := strings.Fields(l); len(f) > 7 && strings.HasPrefix(f[7], "@") {
				names = append(names, f[7])
			}
		}
		return names
	}
	before := len(abstract())
	c := b.bundle("wait").create()
	if now := abstract(); len(now) != before {
		t.Errorf("created: %q", now)
	}
	c.start().ready()
	if now := abstract(); len(now) != before {
		t.Errorf("running: %q", now)
	}
	c.delete()
}

// TestHostileConfigFilesDoNotHang: a config.json that never ends, never begins, or is another file (cf. CVE-2025-4437).
func TestHostileConfigFilesDoNotHang(t *testing.T) {
	b := newBench(t)
	b.oursOnly("runc and crun wait for a writer of a FIFO")
	try := func(what string, prepare func(path string) error) {
		t.Run(what, func(t *testing.T) {
			k := b.bundle("exit", "0")
			if err := prepare(filepath.Join(k.dir, "config.json")); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			r := b.command("run", "--bundle", k.dir, b.id())
			if took := time.Since(start); r.late || took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if r.code == 0 {
				t.Error("it was taken")
			}
			if contains(r.err, "root:") {
				t.Errorf("the message shows the file: %s", r.err)
			}
		})
	}
	try("a FIFO", func(p string) error { return unix.Mkfifo(p, 0o600) })
	try("a directory", func(p string) error { return os.Mkdir(p, 0o700) })
	try("zeros without end", func(p string) error { return os.Symlink("/dev/zero", p) })
	try("a file of the host", func(p string) error { return os.Symlink("/etc/passwd", p) })
	try("a terabyte", func(p string) error {
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			return err
		}
		return os.Truncate(p, 1<<40)
	})
	try("deep nesting", func(p string) error { return os.WriteFile(p, []byte(strings.Repeat(`{"a":`, 1<<20)), 0o600) })
}

// TestHostilePasswdDoesNotHang: looking up the home of a user must not read without end, nor wait (CVE-2025-4437).
func TestHostilePasswdDoesNotHang(t *testing.T) {
	b := newBench(t)
	for what, prepare := range map[string]func(path string) error{
		"a FIFO":       func(p string) error { return unix.Mkfifo(p, 0o644) },
		"zeros":        func(p string) error { return os.Symlink("/dev/zero", p) },
		"a terabyte":   func(p string) error { return errorsJoin(os.WriteFile(p, nil, 0o644), os.Truncate(p, 1<<40)) },
		"of the host":  func(p string) error { return os.Symlink("../../../../../../../../../../etc/passwd", p) },
		"of a process": func(p string) error { return os.Symlink("/proc/1/root/etc/passwd", p) },
	} {
		k := b.bundle("look")
		b.make(filepath.Base(k.dir) + "/rootfs/etc")
		if err := prepare(filepath.Join(k.rootfs, "etc/passwd")); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		r := k.run()
		if took := time.Since(start); r.late || took > 8*time.Second {
			t.Errorf("%s: it took %v", what, took)
		} else if r.code == 0 {
			for _, e := range r.report().Env {
				if e == "HOME=/root" && b.engine.ours {
					t.Errorf("%s: the host's file was read", what)
				}
			}
		}
	}
}

func errorsJoin(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestStringsThatBecomeFilesAreRefused: names and values of the configuration that become parts of paths, or lines of files, of cgroups,
// resctrl and /proc. None may leave its place, nor bring a line of its own (CVE-2022-4318 and its kind).
func TestStringsThatBecomeFilesAreRefused(t *testing.T) {
	b := newBench(t)
	weight := uint16(100)
	for what, change := range map[string]func(*specs.Spec){
		"unified key is a path":     func(s *specs.Spec) { s.Linux.Resources.Unified = map[string]string{"../cgroup.procs": "0"} },
		"unified key is two levels": func(s *specs.Spec) { s.Linux.Resources.Unified = map[string]string{"../../cgroup.max.depth": "max"} },
		"page size is a path": func(s *specs.Spec) {
			s.Linux.Resources.HugepageLimits = []specs.LinuxHugepageLimit{{Pagesize: "2MB/../../x", Limit: 1}}
		},
		"device access has a line": func(s *specs.Spec) {
			s.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Access: "r\na *:* rwm"}}
		},
		"device type has a line": func(s *specs.Spec) {
			s.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Type: "a\nb", Access: "rwm"}}
		},
		"interface has a line": func(s *specs.Spec) {
			s.Linux.Resources.Network = &specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "lo 1\nlo", Priority: 1}}}
		},
		"rdma device has a line": func(s *specs.Spec) {
			n := uint32(1)
			s.Linux.Resources.Rdma = map[string]specs.LinuxRdma{"mlx5_0 hca_handle=2\nmlx5_1": {HcaHandles: &n}}
		},
		"cpus have a line":       func(s *specs.Spec) { s.Linux.Resources.CPU = &specs.LinuxCPU{Cpus: "0\n0"} },
		"cpus are a path":        func(s *specs.Spec) { s.Linux.Resources.CPU = &specs.LinuxCPU{Mems: "../0"} },
		"cgroup path has a line": func(s *specs.Spec) { s.Linux.CgroupsPath = testCgroup + "/x\ny" },
		"hostname is too long":   func(s *specs.Spec) { s.Hostname = strings.Repeat("x", 100) },
		"argument has a NUL":     func(s *specs.Spec) { s.Process.Args = []string{"/attacker", "exit\x000"} },
		"environment has a NUL":  func(s *specs.Spec) { s.Process.Env = []string{"A=b\x00C=d"} },
		"directory has a NUL":    func(s *specs.Spec) { s.Process.Cwd = "/\x00x" },
		"mount source has a NUL": func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/x", Type: "bind", Source: "/tmp\x00", Options: []string{"bind"}})
		},
		"masked path has a NUL": func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"/proc/kcore\x00x"} },
		"closID is a path":      func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "../../x"} },
		"weight device is hostile": func(s *specs.Spec) {
			s.Linux.Resources.BlockIO = &specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{{Weight: &weight}}}
			s.Linux.Resources.BlockIO.WeightDevice[0].Major, s.Linux.Resources.BlockIO.WeightDevice[0].Minor = -1, -1
		},
	} {
		k := b.bundle("exit", "0")
		change(k.spec)
		if r := k.run(); r.code == 0 && b.engine.ours {
			t.Errorf("%s: it was taken", what)
		} else if contains(r.err, "panic") {
			t.Errorf("%s: %s", what, r.err)
		}
	}
}

// TestSubCgroupsOfExecStayBelow: exec --cgroup takes cgroups below the container's only.
func TestSubCgroupsOfExecStayBelow(t *testing.T) {
	b := newBench(t)
	c := b.bundle("wait").running().ready()
	for _, g := range []string{"..", "../..", "/", "/..", "x/../..", "cpu:..", "memory:../..", "pids:/../..", ":/.."} {
		r := c.exec([]string{"--cgroup", g}, "write", "/proc/self/cgroup", "")
		if r.code == 0 && g != "/" {
			t.Errorf("--cgroup %q was taken", g)
		}
	}
	c.delete()
}
