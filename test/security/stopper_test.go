// SPDX-License-Identifier: Apache-2.0

package security

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A stopper makes races deterministic. It stops every process that the engine makes before each of its system calls that have to do
// with files, in the order in which they come, so that a test can change the file system between any two of them:
//
//	test ── starts ─▶ launcher ── filter, exec ─▶ engine ── clone ─▶ the container's process
//	  ▲                  │ descriptor                 │                  │
//	  └──────────────────┘                            ▼                  ▼
//	  ◀───────────────── one notification a system call (seccomp_unotify(2)), the caller stands still
//	  ── continue ─────▶
//
// The filter allows everything; that it could be evaded does not matter here.
type stopper struct {
	t      testing.TB
	pair   *os.File       // the launcher's end of the socket
	own    int            // our end
	before func(stop)     // called while the process stands still
	done   sync.WaitGroup // the loops
	mntns  string         // ours

	mu    sync.Mutex // one stop at a time
	index int
}

// stop is a system call that is about to happen.
type stop struct {
	index int // among those of the container's processes, from 0
	pid   int
	nr    int
	path  string // its path argument, for error messages
}

func (s stop) String() string {
	return fmt.Sprintf("%d: %s(%q)", s.index, callNames[s.nr], s.path)
}

// callNames are the system calls that are stopped, with the place of the path among their arguments below.
var callNames = map[int]string{
	unix.SYS_OPENAT: "openat", unix.SYS_OPENAT2: "openat2", unix.SYS_OPEN_TREE: "open_tree", unix.SYS_MOVE_MOUNT: "move_mount",
	unix.SYS_MOUNT: "mount", unix.SYS_MKDIRAT: "mkdirat", unix.SYS_MKNODAT: "mknodat", unix.SYS_SYMLINKAT: "symlinkat",
	unix.SYS_FCHOWNAT: "fchownat", unix.SYS_FCHMODAT: "fchmodat", unix.SYS_PIVOT_ROOT: "pivot_root", unix.SYS_UMOUNT2: "umount2",
	unix.SYS_CHDIR: "chdir", unix.SYS_FCHDIR: "fchdir", unix.SYS_MOUNT_SETATTR: "mount_setattr", unix.SYS_NEWFSTATAT: "newfstatat",
	unix.SYS_READLINKAT: "readlinkat", unix.SYS_UNLINKAT: "unlinkat", unix.SYS_EXECVE: "execve", unix.SYS_FSMOUNT: "fsmount",
	unix.SYS_FSTAT: "fstat", unix.SYS_IOCTL: "ioctl", unix.SYS_SETNS: "setns", unix.SYS_CAPSET: "capset", unix.SYS_PRCTL: "prctl",
	unix.SYS_SETRESUID: "setresuid",
}

var pathArgument = map[int]int{
	unix.SYS_OPENAT: 1, unix.SYS_OPENAT2: 1, unix.SYS_OPEN_TREE: 1, unix.SYS_MOVE_MOUNT: 3, unix.SYS_MOUNT: 1, unix.SYS_MKDIRAT: 1,
	unix.SYS_MKNODAT: 1, unix.SYS_SYMLINKAT: 2, unix.SYS_FCHOWNAT: 1, unix.SYS_FCHMODAT: 1, unix.SYS_CHDIR: 0, unix.SYS_NEWFSTATAT: 1,
	unix.SYS_READLINKAT: 1, unix.SYS_UNLINKAT: 1, unix.SYS_EXECVE: 0,
}

// launchArg makes the test program a launcher.
const launchArg = "launch"

// launch installs the filter, sends its listener over descriptor 3 and executes the engine.
func launch(words []string) {
	runtime.LockOSThread()
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)
	listener, e := installFilter()
	if e == nil {
		e = unix.Sendmsg(3, []byte{0}, unix.UnixRights(listener), nil, 0)
	}
	unix.CloseOnExec(3)
	if e == nil {
		e = syscall.Exec(words[0], words, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "launch:", err, e)
	os.Exit(70)
}

func installFilter() (int, error) {
	const notify, allow = 0x7fc00000, 0x7fff0000
	program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // seccomp_data.nr
	var numbers []int
	for nr := range callNames {
		numbers = append(numbers, nr)
	}
	slices.Sort(numbers)
	for i, nr := range numbers {
		program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(nr), Jt: uint8(len(numbers) - i)})
	}
	program = append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: allow}, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: notify})
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	fd, _, e := unix.RawSyscall(unix.SYS_SECCOMP, 1 /* SECCOMP_SET_MODE_FILTER */, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(program)
	if e != 0 {
		return -1, fmt.Errorf("seccomp: %w", e)
	}
	return int(fd), nil
}

// stopped runs f with an engine that is stopped before each system call of the processes that it makes.
func (b *bench) stopped(before func(stop), f func()) {
	b.Helper()
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		b.Skip("no stopper for ", runtime.GOARCH)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	ns, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		b.Fatal(err)
	}
	s := &stopper{t: b, pair: os.NewFile(uintptr(pair[1]), "launcher"), own: pair[0], before: before, mntns: ns}
	defer unix.Close(pair[0])
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	files, under := b.files, b.under
	b.files, b.under = []*os.File{s.pair}, append([]string{self, launchArg}, under...)
	defer func() { b.files, b.under = files, under }()
	s.done.Add(1)
	go s.serve()
	f()
	s.pair.Close()
	s.done.Wait()
}

// serve takes the listener of each engine that is launched. A container that goes on keeps its own.
func (s *stopper) serve() {
	defer s.done.Done()
	for {
		oob := make([]byte, 64)
		_, n, _, _, err := unix.Recvmsg(s.own, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
		if err != nil || n == 0 {
			return
		}
		messages, err := unix.ParseSocketControlMessage(oob[:n])
		if err != nil {
			s.t.Error(err)
			return
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil {
			s.t.Error(err)
			return
		}
		s.done.Add(1)
		go s.listen(fds[0])
	}
}

// notification is struct seccomp_notif.
type notification struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	err   int32
	flags uint32
}

const (
	notifyReceive = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
	notifySend    = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
	goOn          = 1          // SECCOMP_USER_NOTIF_FLAG_CONTINUE
)

// listen serves the processes of one engine until the last is gone.
func (s *stopper) listen(fd int) {
	defer s.done.Done()
	defer unix.Close(fd)
	for {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && !errors.Is(err, unix.EINTR) {
			s.t.Error(err)
			return
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			if poll[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0 {
				return // nobody has the filter any more
			}
			continue
		}
		var n notification
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), notifyReceive, uintptr(unsafe.Pointer(&n))); e != 0 {
			continue // it is gone meanwhile
		}
		if s.ofContainer(int(n.pid)) {
			s.stop(&n)
		}
		r := response{id: n.id, flags: goOn}
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), notifySend, uintptr(unsafe.Pointer(&r)))
	}
}

func (s *stopper) stop(n *notification) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before(stop{s.index, int(n.pid), int(n.nr), argument(n)})
	s.index++
}

// ofContainer tells the processes that set up a container, or join one, from the engine's own.
func (s *stopper) ofContainer(pid int) bool {
	dir := fmt.Sprintf("/proc/%d/", pid)
	if ns, err := os.Readlink(dir + "ns/mnt"); err == nil && ns != s.mntns {
		return true
	}
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return false
	}
	for l := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(l, "NSpid:"); ok {
			return len(strings.Fields(v)) > len(ownPids())
		}
	}
	return false
}

var ownPids = sync.OnceValue(func() []string {
	status, _ := os.ReadFile("/proc/self/status")
	for l := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(l, "NSpid:"); ok {
			return strings.Fields(v)
		}
	}
	return nil
})

func argument(n *notification) string {
	i, ok := pathArgument[int(n.nr)]
	if !ok || n.args[i] == 0 {
		return ""
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", n.pid))
	if err != nil {
		return "?"
	}
	defer f.Close()
	buf := make([]byte, 256)
	got, _ := f.ReadAt(buf, int64(n.args[i]))
	if end := bytes.IndexByte(buf[:got], 0); end >= 0 {
		return string(buf[:end])
	}
	return string(buf[:got])
}

// TestStopperSeesEachCall holds the tool against a program whose calls are known.
func TestStopperSeesEachCall(t *testing.T) {
	b := newBench(t)
	mkdir, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("no unshare on this machine")
	}
	dir := b.make("place")
	b.engine.words = []string{mkdir, "-m", "/bin/mkdir", dir + "/made"}
	var calls []string
	b.stopped(func(s stop) {
		if s.path == dir+"/made" {
			calls = append(calls, s.String())
			if _, err := os.Lstat(s.path); err == nil {
				t.Error("it is there before the call")
			}
		}
	}, func() { b.plain() })
	if len(calls) == 0 {
		t.Error("no call was seen")
	}
	if _, err := os.Lstat(dir + "/made"); err != nil {
		t.Error(err)
	}
}

// plain runs the engine's words as they are.
func (b *bench) plain() {
	b.Helper()
	words := append(append([]string{}, b.under...), b.engine.words...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.ExtraFiles = b.files
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
}
