// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// reaper makes the test process what callers of Once are, as long as the test runs.
func reaper(t testing.TB) {
	t.Helper()
	if _, err := Binary(); err != nil {
		t.Skip(err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var st unix.WaitStatus
		if pid, err := unix.Wait4(-1, &st, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
			t.Errorf("child %d is left: %#x, %v", pid, st, err)
		}
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	})
}

func mustOnce(t testing.TB, r ExecRequest) Process {
	t.Helper()
	p, err := Once(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// wantExit waits for a child of ours and checks how it ended: a code, or 128 and a signal.
func wantExit(t testing.TB, pid, want int) {
	t.Helper()
	var st unix.WaitStatus
	if _, err := unix.Wait4(pid, &st, 0, nil); err != nil {
		t.Fatalf("wait for %d: %v", pid, err)
	}
	got := st.ExitStatus()
	if st.Signaled() {
		got = 128 + int(st.Signal())
	}
	if got != want {
		t.Errorf("process %d ended with %d, want %d", pid, got, want)
	}
}

// stand is a process at a barrier.
type stand struct {
	Process
	path string
	plan *plan.Plan
	out  *os.File
}

// stand makes a process that stands before its exec.
func newStand(t testing.TB, exec plan.Step, steps ...plan.Step) *stand {
	t.Helper()
	reaper(t)
	s := &stand{path: filepath.Join(t.TempDir(), "start.sock"), plan: plan.New()}
	l, err := Listen(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := plan.Make(plan.OpBarrier, "wait for the start")
	b.FD = s.plan.File()
	for _, st := range append([]plan.Step{plan.Make(plan.OpStdio, "stdio"), b}, append(steps, exec)...) {
		s.plan.Add(st)
	}
	r, w := pipe(t)
	defer w.Close()
	s.out = r
	s.Process = mustOnce(t, ExecRequest{Plan: s.plan, Files: []*os.File{l}, Stdout: w})
	return s
}

func (s *stand) proceed(t testing.TB, sent func(SentFile)) error {
	t.Helper()
	c, err := Dial(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	notes := map[int]string{}
	for i := range s.plan.Steps {
		notes[i] = s.plan.Note(i)
	}
	return Proceed(t.Context(), c, notes, sent)
}

func TestOnceLeavesTheProcessToTheCaller(t *testing.T) {
	reaper(t)
	inR, inW := pipe(t)
	outR, outW := pipe(t)
	p := mustOnce(t, ExecRequest{Plan: script("read x; echo $x; exit 4", false), Stdin: inR, Stdout: outW})
	outW.Close()
	fmt.Fprintln(inW, "hello")
	wantExit(t, p.Pid, 4)
	if b, _ := io.ReadAll(outR); string(b) != "hello\n" {
		t.Errorf("output %q", b)
	}
}

// A process may be dead before its executor knows that it was executed: its exit is still the caller's to learn.
func TestOnceLeavesExitsThatAreFaster(t *testing.T) {
	reaper(t)
	for range 50 {
		p := plan.New()
		p.Add(execStep("/bin/sh", "sh", "-c", "exit 3"))
		wantExit(t, mustOnce(t, ExecRequest{Plan: p}).Pid, 3)
	}
}

func TestOnceAnswersAtTheBarrier(t *testing.T) {
	s := newStand(t, execStep("/bin/sh", "sh", "-c", "echo started; ls /proc/$$/fd; exit 5"))
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", s.Pid)); err != nil || string(b) != "crisp-oci\n" {
		t.Errorf("name %q, %v", b, err)
	}
	for range 3 { // somebody who only looks
		c, err := Dial(s.path)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	waiting, err := Dial(s.path) // and one who is there first, and gives up
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.proceed(t, nil) }()
	waiting.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if c, err := Dial(s.path); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("it still listens: %v, %v", c, err)
	}
	wantExit(t, s.Pid, 5)
	if b, _ := io.ReadAll(s.out); string(b) != "started\n0\n1\n2\n" {
		t.Errorf("output %q", b)
	}
}

func TestProceedTellsWhyNot(t *testing.T) {
	s := newStand(t, execStep("/nonexistent", "x"))
	var step *StepError
	err := s.proceed(t, nil)
	if !errors.As(err, &step) || err.Error() != "start /nonexistent: EXEC: no such file or directory" || step.Index != 2 {
		t.Errorf("error %v", err)
	}
	wantExit(t, s.Pid, 128)
}

func TestProceedHandsOnWhatIsSent(t *testing.T) {
	send := plan.Make(plan.OpSendFd, "send stdin")
	open := plan.Make(plan.OpOpenat2, "open the root")
	open.Str[0], open.Out, open.Arg[0] = "/", 9, unix.O_PATH
	send.FD, send.Arg[0] = 9, 77
	s := newStand(t, execStep("/bin/true", "true"), open, send)
	var kinds []uint32
	err := s.proceed(t, func(f SentFile) {
		kinds = append(kinds, f.Kind)
		if name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.File.Fd())); err != nil || name != "/" {
			t.Errorf("sent %q, %v", name, err)
		}
		f.File.Close()
	})
	if err != nil || fmt.Sprint(kinds) != "[77]" {
		t.Errorf("sent %v, %v", kinds, err)
	}
	wantExit(t, s.Pid, 0)
}

func TestProceedAfterTheEnd(t *testing.T) {
	s := newStand(t, execStep("/bin/true", "true"))
	c, err := Dial(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := unix.Kill(s.Pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wantExit(t, s.Pid, 137)
	if err := Proceed(t.Context(), c, nil, nil); !errors.Is(err, ErrGone) {
		t.Errorf("proceed: %v", err)
	}
	if err := os.Remove(s.path); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(s.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dial: %v", err)
	}
}

func TestOnceFailsLikeTheMonitor(t *testing.T) {
	for want, p := range map[string]*plan.Plan{
		"start /nonexistent: EXEC: no such file or directory": script("", false, execStep("/nonexistent", "x")),
		"leave: FCHDIR: bad file descriptor": script("", false, func() plan.Step {
			s := plan.Make(plan.OpFchdir, "leave")
			s.FD = 5
			return s
		}()),
	} {
		reaper(t)
		if want[0] == 's' {
			p.Steps = p.Steps[:len(p.Steps)-1]
		}
		_, err := Once(t.Context(), ExecRequest{Plan: p})
		var step *StepError
		if !errors.As(err, &step) || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, err := Once(t.Context(), ExecRequest{Plan: script("", true)}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("barrier without a socket: %v", err)
	}
	p := script("", false)
	p.NumFDs = 3
	if _, err := Once(t.Context(), ExecRequest{Plan: p}); err == nil || err.Error() != "plan: invalid argument" {
		t.Errorf("missing files: %v", err)
	}
}

// hanging is a plan that stops before its exec, and the halt at which it does.
func hanging(t *testing.T) (ExecRequest, *Halt) {
	t.Helper()
	reaper(t)
	h, err := NewHalt()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Finish() })
	p := plan.New()
	r := p.File()
	open := plan.Make(plan.OpOpenat2, "open the root")
	open.Str[0], open.Out, open.Arg[0] = "/", p.Reg(), unix.O_PATH
	send := plan.Make(plan.OpSendFd, "tell")
	send.FD, send.FD2 = open.Out, r
	wait := plan.Make(plan.OpWaitFd, "wait")
	wait.FD = r
	for _, s := range []plan.Step{open, send, wait, execStep("/bin/true", "true")} {
		p.Add(s)
	}
	return ExecRequest{Plan: p, Files: []*os.File{h.Child}}, h
}

// halted waits until the plan has stopped, and gives the pid of its process.
func halted(t *testing.T, h *Halt) int {
	t.Helper()
	sent, err := h.Receive()
	if err != nil {
		t.Fatal(err)
	}
	sent.File.Close()
	return sent.Pid
}

func TestOnceTellsWhatKilledTheProcess(t *testing.T) {
	r, h := hanging(t)
	done := make(chan error)
	go func() {
		_, err := Once(t.Context(), r)
		done <- err
	}()
	pid := halted(t, h)
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var s *StepError
	if err := <-done; !errors.As(err, &s) || s.Signal != unix.SIGKILL {
		t.Errorf("error %v", err)
	}
	if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("process %d: %v", pid, err)
	}
}

func TestOnceEndsWithItsContext(t *testing.T) {
	r, h := hanging(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := Once(ctx, r)
		done <- err
	}()
	pid := halted(t, h)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("process %d: %v", pid, err)
	}
}

// An executor that is killed leaves its child to us. It does not get to its exec.
func TestOnceSurvivesItsExecutor(t *testing.T) {
	r, h := hanging(t)
	done := make(chan error)
	go func() {
		_, err := Once(t.Context(), r)
		done <- err
	}()
	pid := halted(t, h)
	var executor int
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil {
		_, err = fmt.Sscanf(string(b[strings.LastIndexByte(string(b), ')')+1:]), " %1s %d", new(string), &executor)
	}
	if err != nil || executor == os.Getpid() {
		t.Fatalf("parent %d, %v", executor, err)
	}
	if err := unix.Kill(executor, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, ErrGone) {
		t.Errorf("error %v", err)
	}
	_ = h.Finish()
	wantExit(t, pid, 128)
}

func TestOnceJoinsNamespaces(t *testing.T) {
	needRoot(t)
	s := newStand(t, execStep("/bin/true", "true"))
	p := plan.New()
	p.CloneFlags = unix.CLONE_NEWUSER | unix.CLONE_NEWPID
	p.UIDMap, p.GIDMap = "0 100000 65536\n", "0 100000 65536\n"
	r, w := pipe(t)
	p.Add(plan.Make(plan.OpStdio, "stdio"))
	p.Add(execStep("/bin/cat", "cat"))
	first := mustOnce(t, ExecRequest{Plan: p, Stdin: r})
	q := plan.New()
	q.JoinUser = q.File()
	q.JoinPID = q.JoinUser
	q.Add(plan.Make(plan.OpStdio, "stdio"))
	q.Add(execStep("/bin/sh", "sh", "-c", "echo $$; cat /proc/self/uid_map"))
	outR, outW := pipe(t)
	second := mustOnce(t, ExecRequest{Plan: q, Files: []*os.File{first.Pidfd}, Stdout: outW})
	outW.Close()
	wantExit(t, second.Pid, 0)
	if b, _ := io.ReadAll(outR); strings.Join(strings.Fields(string(b)), " ") != "2 0 100000 65536" {
		t.Errorf("output %q", b)
	}
	w.Close()
	r.Close()
	wantExit(t, first.Pid, 0)
	if err := s.proceed(t, nil); err != nil {
		t.Error(err)
	}
	wantExit(t, s.Pid, 0)
}

// TestOnceWithoutRoot runs itself as another user.
func TestOnceWithoutRoot(t *testing.T) {
	if os.Geteuid() == 0 {
		c := exec.Command("/proc/self/exe", "-test.run=^TestOnceWithoutRoot$", "-test.v")
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("as another user: %v\n%s", err, out)
		}
		if bytes.Contains(out, []byte("SKIP")) {
			t.Skipf("as another user: %s", out)
		}
		return
	}
	reaper(t)
	adj := 654
	p := script("id -u; id -g; cat /proc/self/setgroups /proc/self/oom_score_adj; read x", false)
	p.CloneFlags = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS
	p.UIDMap, p.GIDMap = fmt.Sprintf("0 %d 1\n", os.Getuid()), fmt.Sprintf("0 %d 1\n", os.Getgid())
	p.OOMAdj = &adj
	inR, inW := pipe(t)
	r, w := pipe(t)
	first, err := Once(t.Context(), ExecRequest{Plan: p, Stdin: inR, Stdout: w})
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		t.Skip("no user namespaces for users here: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	mustRead(t, r, "0\n0\ndeny\n654\n")

	// The right to join the PID namespace comes with the user namespace.
	adj++
	q := script("test $$ -lt 20 && echo joined; id -u; cat /proc/self/oom_score_adj", false)
	q.JoinUser = q.File()
	q.JoinPID, q.OOMAdj = q.JoinUser, &adj
	second := mustOnce(t, ExecRequest{Plan: q, Files: []*os.File{first.Pidfd}, Stdout: w})
	wantExit(t, second.Pid, 0)
	mustRead(t, r, "joined\n0\n655\n")
	inW.Close()
	wantExit(t, first.Pid, 1)
}

// TestOnceAsRootOfAUserNamespace runs itself as one, as an engine without root does. Whoever joins a PID namespace there cannot go back.
func TestOnceAsRootOfAUserNamespace(t *testing.T) {
	if os.Getenv(nested) == "" {
		needRoot(t)
		c := exec.Command("/proc/self/exe", "-test.run=^TestOnceAsRootOfAUserNamespace$", "-test.v")
		ids := []syscall.SysProcIDMap{{HostID: 100_000, Size: 65536}}
		c.Env = append(os.Environ(), nested+"=1")
		c.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
			Credential: &syscall.Credential{}, Pdeathsig: syscall.SIGKILL,
		}
		runtime.LockOSThread() // Pdeathsig is about the thread
		defer runtime.UnlockOSThread()
		if out, err := c.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("PASS: TestOnceAsRootOfAUserNamespace")) {
			t.Errorf("in a user namespace: %v\n%s", err, out)
		}
		return
	}
	reaper(t)
	p := script("read x", false)
	p.CloneFlags = unix.CLONE_NEWPID
	inR, inW := pipe(t)
	first := mustOnce(t, ExecRequest{Plan: p, Stdin: inR})
	q := script("test $$ -lt 20 && echo joined", false)
	q.JoinPID = q.File()
	r, w := pipe(t)
	second := mustOnce(t, ExecRequest{Plan: q, Files: []*os.File{first.Pidfd}, Stdout: w})
	wantExit(t, second.Pid, 0)
	mustRead(t, r, "joined\n")
	inW.Close()
	wantExit(t, first.Pid, 1)
}

// nested marks a test that runs itself in a user namespace.
const nested = "CRISP_TEST_NESTED"

func TestOnceGivesTheTerminal(t *testing.T) {
	needRoot(t)
	reaper(t)
	p := plan.New()
	open := plan.Make(plan.OpOpenat2, "open /dev/pts")
	open.Str[0], open.Out, open.Arg[0] = "/dev/pts", p.Reg(), unix.O_PATH
	pty := plan.Make(plan.OpPty, "terminal")
	pty.FD, pty.Arg = open.Out, [4]uint64{24, 80, 0, 0}
	p.Add(open)
	p.Add(pty)
	p.Add(execStep("/bin/stty", "stty", "size"))
	e := mustOnce(t, ExecRequest{Plan: p, TTY: true})
	wantExit(t, e.Pid, 0)
	mustRead(t, e.Console, "24 80\r\n")
}

func TestOnceSetsTheOOMScore(t *testing.T) {
	needRoot(t)
	reaper(t)
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	adj := 321
	for want, p := range map[string]*int{string(own): nil, "321\n": &adj} {
		r, w := pipe(t)
		q := script("cat /proc/self/oom_score_adj", false)
		q.OOMAdj = p
		wantExit(t, mustOnce(t, ExecRequest{Plan: q, Stdout: w}).Pid, 0)
		w.Close()
		mustRead(t, r, want)
	}
}

func BenchmarkOnce(b *testing.B) {
	reaper(b)
	p, files := trivial(b, false)
	for b.Loop() {
		e := mustOnce(b, ExecRequest{Plan: p, Files: files})
		var st unix.WaitStatus
		if _, err := unix.Wait4(e.Pid, &st, 0, nil); err != nil {
			b.Fatal(err)
		}
	}
}
