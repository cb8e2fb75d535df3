// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// stepper builds a plan step by step and runs it in namespaces of its own.
type stepper struct {
	*plan.Plan
	m *monitor
}

func newStepper(t *testing.T) *stepper {
	needRoot(t)
	s := &stepper{plan.New(), startMonitor(t)}
	s.CloneFlags = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWPID
	s.do(plan.OpMount, func(s *plan.Step) { s.Str[1], s.Arg[0] = "/", unix.MS_REC|unix.MS_PRIVATE })
	return s
}

// do adds a step; steps that make a descriptor get a register for it.
func (s *stepper) do(op plan.Op, fill func(*plan.Step)) plan.Reg {
	st := plan.Make(op, op.String())
	fill(&st)
	s.Add(st)
	return st.Out
}

func (s *stepper) open(path string, flags uint64) plan.Reg {
	return s.do(plan.OpOpenat2, func(st *plan.Step) { st.Str[0], st.Arg[0], st.Out = path, flags, s.Reg() })
}

// sh ends the plan with a shell script, runs it, and gives its output.
func (s *stepper) sh(text string) (string, error) {
	s.m.t.Helper()
	s.do(plan.OpStdio, func(*plan.Step) {})
	s.Add(execStep("/bin/sh", "sh", "-c", text))
	r, w := pipe(s.m.t)
	e, err := s.m.Exec(s.m.ctx, ExecRequest{Plan: s.Plan, Stdout: w, Stderr: w})
	w.Close()
	if err != nil {
		return "", err
	}
	defer e.Close()
	var b strings.Builder
	buf := make([]byte, 4096)
	for n := 0; err == nil; n, err = r.Read(buf) {
		b.Write(buf[:n])
	}
	s.m.waitExec(e)
	return b.String(), nil
}

func (s *stepper) wantOutput(script, want string) {
	s.m.t.Helper()
	if got, err := s.sh(script); err != nil || strings.TrimSpace(got) != want {
		s.m.t.Errorf("output %q, %v; want %q", got, err, want)
	}
}

func (s *stepper) wantErrno(want unix.Errno) {
	s.m.t.Helper()
	if got, err := s.sh("exit 0"); !errors.Is(err, want) {
		s.m.t.Errorf("output %q, %v; want %v", got, err, want)
	}
}

func TestMountsByDescriptor(t *testing.T) {
	s := newStepper(t)
	dir := t.TempDir()
	fs := s.do(plan.OpFsopen, func(st *plan.Step) { st.Str[0], st.Out = "tmpfs", s.Reg() })
	s.do(plan.OpFsconfig, func(st *plan.Step) {
		st.FD, st.Arg[0], st.Str[0], st.Str[1] = fs, unix.FSCONFIG_SET_STRING, "size", "1m"
	})
	s.do(plan.OpFsconfig, func(st *plan.Step) { st.FD, st.Arg[0] = fs, unix.FSCONFIG_CMD_CREATE })
	mnt := s.do(plan.OpFsmount, func(st *plan.Step) { st.FD, st.Out, st.Arg[0] = fs, s.Reg(), unix.MOUNT_ATTR_NOEXEC })
	s.do(plan.OpMkdirat, func(st *plan.Step) { st.FD, st.Str[0], st.Arg[0] = mnt, "sub", 0o751 })
	s.do(plan.OpSymlinkat, func(st *plan.Step) { st.FD, st.Str[0], st.Str[1] = mnt, "link", "sub" })
	s.do(plan.OpMknodat, func(st *plan.Step) {
		st.FD, st.Str[0], st.Arg[0], st.Arg[1] = mnt, "null", unix.S_IFCHR|0o666, unix.Mkdev(1, 3)
	})
	s.do(plan.OpFchownat, func(st *plan.Step) { st.FD, st.Str[0], st.Arg = mnt, "sub", [4]uint64{12, 34} })
	s.do(plan.OpVerifyFs, func(st *plan.Step) { st.FD, st.Arg[0] = mnt, unix.TMPFS_MAGIC })
	s.do(plan.OpMountSetattr, func(st *plan.Step) { st.FD, st.Arg[1] = mnt, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID })
	target := s.open(dir, unix.O_PATH)
	s.do(plan.OpMoveMount, func(st *plan.Step) { st.FD, st.FD2 = mnt, target })
	sub := s.open(filepath.Join(dir, "sub"), unix.O_PATH)
	s.do(plan.OpOpenTree, func(st *plan.Step) { st.FD, st.Out, st.Arg[0] = sub, s.Reg(), unix.OPEN_TREE_CLONE|unix.AT_EMPTY_PATH })
	s.do(plan.OpClose, func(st *plan.Step) { st.FD = sub })
	s.wantOutput(fmt.Sprintf("cd %s; stat -c '%%F %%a %%u %%g' sub; readlink link; stat -c %%t:%%T null; touch x 2>&1 | grep -o Read-only; "+
		"awk '$5 == \"%s\" {print $6}' /proc/self/mountinfo", dir, dir),
		"directory 751 12 34\nsub\n1:3\nRead-only\nro,nosuid,noexec,relatime")
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("the host sees %v", names)
	}
}

func TestMountPointsAreMadeInsideTheRoot(t *testing.T) {
	for name, c := range map[string]struct {
		setup, path string // setup runs in the folder that holds root/
		arg         [4]uint64
		want        string // found below the folder, or ""
		err         unix.Errno
	}{
		"existing folder":            {"mkdir -p root/a/b", "/a/b", [4]uint64{0, 0o755}, "root/a/b", 0},
		"missing folders":            {"", "a/b/c", [4]uint64{0, 0o700}, "root/a/b/c", 0},
		"slashes":                    {"", "//a///b//", [4]uint64{0, 0o700}, "root/a/b", 0},
		"file":                       {"", "/etc/x", [4]uint64{1, 0o644}, "root/etc/x", 0},
		"through a symlink":          {"mkdir -p root/real; ln -s real root/link", "/link/x", [4]uint64{0, 0o755}, "root/real/x", 0},
		"absolute symlink":           {"mkdir -p root/run root/var; ln -s /run root/var/run", "/var/run/x/y", [4]uint64{0, 0o755}, "root/run/x/y", 0},
		"dangling symlink":           {"mkdir -p root/var; ln -s /run root/var/run", "/var/run/x", [4]uint64{1, 0o644}, "root/run/x", 0},
		"dangling relative symlink":  {"mkdir -p root/var; ln -s ../made/here root/var/run", "/var/run", [4]uint64{0, 0o755}, "root/made/here", 0},
		"dangling file":              {"mkdir -p root/etc; ln -s /run/resolv root/etc/resolv", "/etc/resolv", [4]uint64{1, 0o644}, "root/run/resolv", 0},
		"chain of dangling symlinks": {"mkdir root; ln -s b root/a; ln -s /c/d root/b", "/a/x", [4]uint64{0, 0o755}, "root/c/d/x", 0},
		"dots lead nowhere":          {"mkdir root", "../../x", [4]uint64{0, 0o755}, "root/x", 0},
		"escaping symlink":           {"mkdir -p root outside; ln -s ../../../../../../../../tmp/../outside root/out", "/out/x", [4]uint64{0, 0o755}, "root/outside/x", 0},
		"loop":                       {"mkdir root; ln -s b root/a; ln -s a root/b", "/a/x", [4]uint64{0, 0o755}, "", unix.ELOOP},
		"through a file":             {"mkdir root; touch root/f", "/f/x", [4]uint64{0, 0o755}, "", unix.ENOTDIR},
		"the root itself":            {"mkdir root", "/", [4]uint64{0, 0o755}, "root", 0},
		"name too long":              {"mkdir root", strings.Repeat("n", 256), [4]uint64{0, 0o755}, "", unix.ENAMETOOLONG},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStepper(t)
			dir := t.TempDir()
			if out, err := shell(dir, "mkdir -p root; "+strings.ReplaceAll(c.setup, "mkdir root", "mkdir -p root")); err != nil {
				t.Fatal(out, err)
			}
			root := s.open(filepath.Join(dir, "root"), unix.O_PATH|unix.O_DIRECTORY)
			s.do(plan.OpMkpoint, func(st *plan.Step) { st.FD, st.Str[0], st.Arg, st.Out = root, c.path, c.arg, s.Reg() })
			if c.err != 0 {
				s.wantErrno(c.err)
				return
			}
			if _, err := s.sh("exit 0"); err != nil {
				t.Fatal(err)
			}
			fi, err := os.Lstat(filepath.Join(dir, c.want))
			if err != nil || fi.IsDir() == (c.arg[0] == 1) {
				t.Errorf("made %v, %v", fi, err)
			}
			if names, _ := os.ReadDir(filepath.Join(dir, "outside")); len(names) != 0 {
				t.Errorf("made outside: %v", names)
			}
		})
	}
}

func shell(dir, script string) (string, error) {
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-ec", script}, &os.ProcAttr{Dir: dir, Files: []*os.File{nil, os.Stderr, os.Stderr}})
	if err != nil {
		return "", err
	}
	st, err := p.Wait()
	if err == nil && !st.Success() {
		err = errors.New(st.String())
	}
	return script, err
}

func TestMadePathsGetTheirOwner(t *testing.T) {
	s := newStepper(t)
	dir := t.TempDir()
	root := s.open(dir, unix.O_PATH)
	s.do(plan.OpMkpath, func(st *plan.Step) { st.FD, st.Str[0], st.Arg, st.Out = root, "a/b", [4]uint64{0o1770, 7, 8}, s.Reg() })
	s.do(plan.OpMkpath, func(st *plan.Step) { st.FD, st.Str[0], st.Arg = root, "a", [4]uint64{0o700, 1, 1} })
	s.wantOutput(fmt.Sprintf("stat -c '%%a %%u %%g' %s/a %s/a/b", dir, dir), "1770 7 8\n1770 7 8")
}

func TestWriteStaysBelowItsFolder(t *testing.T) {
	dir := t.TempDir()
	if out, err := shell(dir, "mkdir d; touch d/f outside; ln -s f d/link; ln -s ../outside d/out; ln -s /outside d/abs"); err != nil {
		t.Fatal(out, err)
	}
	for name, c := range map[string]struct {
		path string
		arg  [4]uint64
		err  unix.Errno
	}{
		"file":                     {"f", [4]uint64{}, 0},
		"symlink":                  {"link", [4]uint64{}, unix.ELOOP},
		"parent":                   {"../outside", [4]uint64{}, unix.EXDEV},
		"missing":                  {"absent", [4]uint64{}, unix.ENOENT},
		"made":                     {"new", [4]uint64{0, unix.O_CREAT, 0o600}, 0},
		"symlink where it is safe": {"link", [4]uint64{1}, 0},
		"symlink that is absolute": {"abs", [4]uint64{1}, unix.ENOENT},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStepper(t)
			d := s.open(filepath.Join(dir, "d"), unix.O_PATH)
			s.do(plan.OpWrite, func(st *plan.Step) { st.FD, st.Str[0], st.Blob, st.Arg = d, c.path, []byte(name), c.arg })
			_, err := s.sh("exit 0")
			if c.err == 0 && err != nil || c.err != 0 && !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
		})
	}
	if b, err := os.ReadFile(filepath.Join(dir, "outside")); err != nil || len(b) != 0 {
		t.Errorf("outside: %q, %v", b, err)
	}
}

func TestWorkingDirectory(t *testing.T) {
	s := newStepper(t)
	dir := filepath.Join(t.TempDir(), "x", "y")
	s.do(plan.OpCwd, func(st *plan.Step) { st.Str[0], st.Arg[0] = dir, 1 })
	s.wantOutput("pwd", dir)

	s = newStepper(t)
	s.do(plan.OpCwd, func(st *plan.Step) { st.Str[0] = filepath.Join(dir, "missing") })
	s.wantErrno(unix.ENOENT)

	// CVE-2024-21626: a working directory by way of a descriptor to the outside of the root.
	s = newStepper(t)
	out := s.open("/", unix.O_PATH)
	s.do(plan.OpChroot, func(st *plan.Step) { st.Str[0] = dir })
	s.do(plan.OpFchdir, func(st *plan.Step) { st.FD = out })
	s.do(plan.OpCwd, func(st *plan.Step) { st.Str[0] = "." })
	s.wantErrno(unix.ENOENT)
}

func TestPrivilegesAreDropped(t *testing.T) {
	s := newStepper(t)
	const net, chown = 1 << unix.CAP_NET_BIND_SERVICE, 1 << unix.CAP_CHOWN
	s.do(plan.OpSethostname, func(st *plan.Step) { st.Str[0] = "some-host" })
	s.do(plan.OpSetdomainname, func(st *plan.Step) { st.Str[0] = "some-domain" })
	s.do(plan.OpSetrlimit, func(st *plan.Step) { st.Arg = [4]uint64{unix.RLIMIT_CORE, 1024, 2048} })
	s.do(plan.OpUmask, func(st *plan.Step) { st.Arg[0] = 0o077 })
	s.do(plan.OpPrctl, func(st *plan.Step) { st.Arg = [4]uint64{unix.PR_SET_KEEPCAPS, 1} })
	s.do(plan.OpCapBound, func(st *plan.Step) { st.Arg[0] = net | chown })
	s.do(plan.OpSetgroups, func(st *plan.Step) { st.Blob = plan.Groups([]uint32{5, 6}) })
	s.do(plan.OpSetresgid, func(st *plan.Step) { st.Arg = [4]uint64{1001, 1001, 1001} })
	s.do(plan.OpSetresuid, func(st *plan.Step) { st.Arg = [4]uint64{1000, 1000, 1000} })
	s.do(plan.OpCapset, func(st *plan.Step) { st.Arg = [4]uint64{net | chown, net | chown, net} })
	s.do(plan.OpPrctl, func(st *plan.Step) {
		st.Arg = [4]uint64{unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_NET_BIND_SERVICE}
	})
	s.do(plan.OpPrctl, func(st *plan.Step) { st.Arg = [4]uint64{unix.PR_SET_NO_NEW_PRIVS, 1} })
	s.wantOutput("id -u; id -g; id -G; umask; ulimit -Sc; ulimit -Hc; cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname; "+
		"grep -E 'Cap|NoNew' /proc/self/status | cut -f2",
		strings.Join([]string{"1000", "1001", "1001 5 6", "0077", "2", "4", "some-host", "some-domain",
			hex16(net), hex16(net), hex16(net), hex16(net | chown), hex16(net), "1"}, "\n"))
}

func hex16(n uint64) string { return fmt.Sprintf("%016x", n) }

// deny is a filter that refuses system calls with EPERM.
func deny(nr ...uint32) []unix.SockFilter {
	f := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}}
	for i, n := range nr {
		f = append(f, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: uint8(len(nr) - i), K: n})
	}
	return append(f, unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
}

func TestSeccompFilterDoesNotStandInOurOwnWay(t *testing.T) {
	s := newStepper(t)
	s.do(plan.OpStdio, func(*plan.Step) {})
	// What we ourselves would need between the filter and the exec.
	filter := deny(unix.SYS_CLOSE_RANGE, unix.SYS_SENDMSG, unix.SYS_UMASK, unix.SYS_DUP2, unix.SYS_RT_SIGACTION, unix.SYS_MKDIR, unix.SYS_MKDIRAT)
	s.do(plan.OpSeccomp, func(st *plan.Step) { st.Blob = plan.Filter(filter) })
	s.Add(execStep("/bin/mkdir", "mkdir", filepath.Join(t.TempDir(), "x")))
	r, w := pipe(t)
	e, err := s.m.Exec(s.m.ctx, ExecRequest{Plan: s.Plan, Stderr: w})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if x := s.m.waitExec(e); x.Code != 1 {
		t.Errorf("exit %+v", x)
	}
	buf := make([]byte, 200)
	if n, _ := r.Read(buf); !strings.Contains(string(buf[:n]), "Operation not permitted") {
		t.Errorf("stderr %q", buf[:n])
	}
}

func TestSeccompListenerIsSentBack(t *testing.T) {
	s := newStepper(t)
	filter := []unix.SockFilter{{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW}}
	l := s.do(plan.OpSeccomp, func(st *plan.Step) {
		st.Blob, st.Arg[0], st.Out = plan.Filter(filter), unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, s.Reg()
	})
	s.do(plan.OpSendFd, func(st *plan.Step) { st.FD, st.Arg[0] = l, 1 })
	s.Add(execStep("/bin/true", "true"))
	e, err := s.m.Exec(s.m.ctx, ExecRequest{Plan: s.Plan})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if len(e.Sent) != 1 {
		t.Fatalf("sent %v", e.Sent)
	}
	if name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", e.Sent[0].File.Fd())); err != nil || name != "anon_inode:seccomp notify" {
		t.Errorf("file %q, %v", name, err)
	}
	s.m.waitExec(e)
}

func TestPivotRoot(t *testing.T) {
	s := newStepper(t)
	root := t.TempDir()
	tree := s.do(plan.OpOpenTree, func(st *plan.Step) {
		st.Str[0], st.Out, st.Arg[0] = "/", s.Reg(), unix.OPEN_TREE_CLONE|unix.AT_RECURSIVE
	})
	s.do(plan.OpMoveMount, func(st *plan.Step) { st.FD, st.Str[0] = tree, root })
	s.do(plan.OpChdir, func(st *plan.Step) { st.Str[0] = root })
	s.do(plan.OpPivotRoot, func(st *plan.Step) { st.Str[0], st.Str[1] = ".", "." })
	s.do(plan.OpUmount, func(st *plan.Step) { st.Str[0], st.Arg[0] = ".", unix.MNT_DETACH })
	s.do(plan.OpCwd, func(st *plan.Step) { st.Str[0] = "/" })
	s.wantOutput("pwd; test -d "+root+" && echo there; awk '$5 == \"/\"' /proc/self/mountinfo | wc -l", "/\nthere\n1")
}

func TestVerifyDevice(t *testing.T) {
	s := newStepper(t)
	null := s.open("/dev/null", unix.O_PATH)
	s.do(plan.OpVerifyDev, func(st *plan.Step) { st.FD, st.Arg = null, [4]uint64{unix.S_IFCHR, unix.Mkdev(1, 3)} })
	s.do(plan.OpVerifyDev, func(st *plan.Step) { st.FD, st.Arg = null, [4]uint64{unix.S_IFCHR, unix.Mkdev(1, 5)} })
	s.wantErrno(unix.ENODEV)
}

func TestOwnersByDescriptor(t *testing.T) {
	s := newStepper(t)
	dir := t.TempDir()
	if out, err := shell(dir, "touch a"); err != nil {
		t.Fatal(out, err)
	}
	a := s.open(filepath.Join(dir, "a"), unix.O_PATH)
	s.do(plan.OpFchownat, func(st *plan.Step) { st.FD, st.Arg = a, [4]uint64{1<<32 - 1, 9} })
	s.wantOutput(fmt.Sprintf("stat -c '%%u %%g' %s/a", dir), "0 9")
}

func TestAttributesAreSetByDescriptor(t *testing.T) {
	s := newStepper(t)
	file := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a := s.open(file, unix.O_PATH)
	s.do(plan.OpSetxattr, func(st *plan.Step) { st.FD, st.Str[0], st.Blob = a, "trusted.crisp", []byte("value\x00") })
	s.wantOutput("", "")
	value := make([]byte, 16)
	if n, err := unix.Getxattr(file, "trusted.crisp", value); err != nil || string(value[:max(n, 0)]) != "value\x00" {
		t.Errorf("%q, %v", value[:max(n, 0)], err)
	}
}

func TestLoopbackComesUpByIoctl(t *testing.T) {
	s := newStepper(t)
	s.CloneFlags |= unix.CLONE_NEWNET
	r := s.Reg()
	s.do(plan.OpSocket, func(st *plan.Step) { st.Arg, st.Out = [4]uint64{unix.AF_UNIX, unix.SOCK_DGRAM | unix.SOCK_CLOEXEC}, r })
	request, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_UP)
	blob := unsafe.Slice((*byte)(unsafe.Pointer(request)), unsafe.Sizeof(*request))
	s.do(plan.OpIoctl, func(st *plan.Step) { st.FD, st.Arg[0], st.Blob = r, unix.SIOCSIFFLAGS, blob })
	s.wantOutput("grep -o 127.0.0.1 /proc/net/fib_trie | uniq; cut -d' ' -f1 /proc/net/if_inet6", "127.0.0.1\n00000000000000000000000000000001")
}

func TestRemountKeepsWhatIsNotAskedFor(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		before     string
		set, clear uint64
		want       string
	}{
		"nothing":       {"nosuid,noexec,noatime", 0, 0, "rw,nosuid,noexec,noatime"},
		"read-only":     {"nosuid,nodev,nodiratime,relatime", unix.MOUNT_ATTR_RDONLY, 0, "ro,nosuid,nodev,nodiratime,relatime"},
		"strict times":  {"strictatime", unix.MOUNT_ATTR_NOEXEC, 0, "rw,noexec"},
		"other times":   {"noatime", 0, unix.MOUNT_ATTR__ATIME, "rw,relatime"},
		"stricter":      {"noatime", unix.MOUNT_ATTR_STRICTATIME, unix.MOUNT_ATTR__ATIME, "rw"},
		"cleared":       {"ro,nosuid,nodev", 0, unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV, "rw,nosuid,relatime"},
		"no symlinks":   {"nosuid", unix.MOUNT_ATTR_NOSYMFOLLOW, 0, "rw,nosuid,relatime,nosymfollow"},
		"symlinks back": {"nosymfollow", unix.MOUNT_ATTR_NOEXEC, 0, "rw,noexec,relatime,nosymfollow"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStepper(t)
			flags := map[string]uint64{
				"nosuid": unix.MS_NOSUID, "noexec": unix.MS_NOEXEC, "noatime": unix.MS_NOATIME, "nodev": unix.MS_NODEV, "nodiratime": unix.MS_NODIRATIME,
				"relatime": unix.MS_RELATIME, "strictatime": unix.MS_STRICTATIME, "ro": unix.MS_RDONLY, "nosymfollow": unix.MS_NOSYMFOLLOW,
			}
			s.do(plan.OpMount, func(st *plan.Step) { st.Str = [3]string{"t", dir, "tmpfs"} })
			s.do(plan.OpMount, func(st *plan.Step) {
				st.Str[1], st.Arg[0] = dir, unix.MS_REMOUNT|unix.MS_BIND
				for _, word := range strings.Split(c.before, ",") {
					st.Arg[0] |= flags[word]
				}
			})
			mount := s.open(dir, unix.O_PATH)
			s.do(plan.OpRemount, func(st *plan.Step) { st.FD, st.Arg[1], st.Arg[2] = mount, c.set, c.clear })
			s.wantOutput(fmt.Sprintf("grep ' %s ' /proc/self/mountinfo | cut -d' ' -f6", dir), c.want)
		})
	}
}

func TestStdioIsGivenToTheUser(t *testing.T) {
	s := newStepper(t)
	s.do(plan.OpStdio, func(*plan.Step) {})
	s.do(plan.OpFchownStdio, func(st *plan.Step) { st.Arg[0] = 1234 })
	s.do(plan.OpSetresuid, func(st *plan.Step) { st.Arg = [4]uint64{1234, 1234, 1234} })
	s.Add(execStep("/bin/sh", "sh", "-c", "stat -Lc %u /proc/self/fd/1 /dev/null; echo again > /proc/self/fd/1"))
	r, w := pipe(t)
	e, err := s.m.Exec(s.m.ctx, ExecRequest{Plan: s.Plan, Stdout: w})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	mustRead(t, r, "1234\n0\nagain\n")
	s.m.waitExec(e)
}

func TestEmptyRegisterIsBadDescriptor(t *testing.T) {
	s := newStepper(t)
	s.do(plan.OpFchdir, func(st *plan.Step) { st.FD = s.Reg() })
	s.wantErrno(unix.EBADF)
}

func TestBirthInACgroup(t *testing.T) {
	s := newStepper(t)
	base := "/sys/fs/cgroup"
	var fs unix.Statfs_t
	if err := unix.Statfs(base, &fs); err != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC {
		base = "/sys/fs/cgroup/unified"
	}
	if err := unix.Statfs(base, &fs); err != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC {
		t.Skip("no cgroup v2")
	}
	dir := filepath.Join(base, "crisp-test-"+newID()[:12])
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		s.m.eventually("the cgroup goes", func() bool { return os.Remove(dir) == nil })
	})
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s.CgroupFD = s.File()
	s.do(plan.OpStdio, func(*plan.Step) {})
	s.Add(execStep("/bin/grep", "grep", "^0::", "/proc/self/cgroup"))
	r, w := pipe(t)
	e, err := s.m.Exec(s.m.ctx, ExecRequest{Plan: s.Plan, Stdout: w, Files: []*os.File{f}})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	buf := make([]byte, 300)
	if n, _ := r.Read(buf); !strings.HasSuffix(strings.TrimSpace(string(buf[:n])), filepath.Base(dir)) {
		t.Errorf("cgroup %q", buf[:n])
	}
	s.m.waitExec(e)
}

func TestPauseReapsAndEndsBySIGTERM(t *testing.T) {
	needRoot(t)
	m := startMonitor(t)
	program, err := Binary()
	if err != nil {
		t.Skip(err)
	}
	p := plan.New()
	p.CloneFlags = unix.CLONE_NEWPID
	e := plan.Make(plan.OpExec, "start pause")
	e.FD, e.Argv = p.File(), []string{"pause"}
	p.Add(plan.Make(plan.OpBarrier, "created"))
	p.Add(e)
	k, err := m.tryCreate(p, func(q *CreateRequest) { q.Files = []*os.File{program} })
	if err != nil {
		t.Fatal(err)
	}
	k.start()
	m.eventually("it is named", func() bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", k.Pid))
		return string(b) == "pause\n"
	})
	// An exec whose orphan becomes pause's child.
	out, _ := m.output(joining(k, "(sleep 0.02 & echo orphan)", func(q *plan.Plan, r plan.Reg) { q.JoinPID = r }))
	if out != "orphan\n" {
		t.Errorf("output %q", out)
	}
	m.eventually("pause has no children, and no zombies", func() bool { return len(childrenOf(t, k.Pid)) == 0 })
	m.eventually("SIGTERM is heard", func() bool {
		_ = m.Signal(m.ctx, k.id, unix.SIGTERM)
		return m.list()[0].Status == Exited
	})
	if x := k.wait(); x.Code != 0 || x.Signal != 0 {
		t.Errorf("exit %+v", x)
	}
}
