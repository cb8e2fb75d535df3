// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

func (m *monitor) exec(q ExecRequest) *Exec {
	m.t.Helper()
	e, err := m.Exec(m.ctx, q)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { e.Close() })
	return e
}

func (m *monitor) waitExec(e *Exec) Exit {
	m.t.Helper()
	x, err := e.Wait(m.ctx)
	if err != nil {
		m.t.Fatal(err)
	}
	return x
}

func TestExecUsesTheCallersFiles(t *testing.T) {
	m := startMonitor(t)
	inR, inW := pipe(t)
	outR, outW := pipe(t)
	errR, errW := pipe(t)
	e := m.exec(ExecRequest{Plan: script("read x; echo out $x; echo err >&2; exit 4", false), Stdin: inR, Stdout: outW, Stderr: errW})
	for _, f := range []*os.File{inR, outW, errW} {
		f.Close()
	}
	fmt.Fprintln(inW, "hello")
	out, _ := io.ReadAll(outR)
	errs, _ := io.ReadAll(errR)
	if x := m.waitExec(e); x.Code != 4 || string(out) != "out hello\n" || string(errs) != "err\n" {
		t.Errorf("exit %+v, %q, %q", x, out, errs)
	}
	m.wantEmpty()
}

// wantEmpty checks that the monitor holds nothing.
func (m *monitor) wantEmpty() {
	m.t.Helper()
	if s, err := m.List(m.ctx); err != nil || len(s) != 0 {
		m.t.Errorf("left in the monitor: %+v, %v", s, err)
	}
}

func TestExecGetsBlockingFiles(t *testing.T) {
	m := startMonitor(t)
	r, w := pipe(t)
	e := m.exec(ExecRequest{Plan: script("grep flags /proc/self/fdinfo/1 >&2; head -c 300000 /dev/zero", false), Stdout: w, Stderr: w})
	w.Close()
	out, _ := io.ReadAll(r)
	flags, err := strconv.ParseUint(strings.Fields(string(out[:min(40, len(out))]))[1], 8, 64)
	if err != nil || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("flags %#o, %v", flags, err)
	}
	if x := m.waitExec(e); x.Code != 0 || len(out) < 300000 {
		t.Errorf("exit %+v, %d bytes", x, len(out))
	}
}

func TestExecWithoutFilesHasDevNull(t *testing.T) {
	m := startMonitor(t)
	e := m.exec(ExecRequest{Plan: script("[ $(stat -Lc %t:%T /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2 | sort -u) = 1:3 ]", false)})
	if x := m.waitExec(e); x.Code != 0 {
		t.Errorf("exit %+v", x)
	}
}

func TestFailingExecHasNoExit(t *testing.T) {
	m := startMonitor(t)
	p := plan.New()
	p.Add(execStep("/nonexistent", "x"))
	e, err := m.Exec(m.ctx, ExecRequest{Plan: p})
	var s *StepError
	if e != nil || !errors.As(err, &s) || s.Note != "start /nonexistent" || !errors.Is(err, unix.ENOENT) {
		t.Errorf("exec %v, %v", e, err)
	}
	m.wantEmpty()
	m.Client.mu.Lock()
	defer m.Client.mu.Unlock()
	if len(m.execs) != 0 || len(m.calls) != 0 {
		t.Errorf("left in the client: %v, %v", m.execs, m.calls)
	}
}

func TestExecIsKilledWithItsContext(t *testing.T) {
	m := startMonitor(t)
	r, _ := pipe(t)
	p := plan.New()
	hang := plan.Make(plan.OpWaitFd, "wait for ever")
	hang.FD = p.File()
	p.Add(hang)
	p.Add(execStep("/bin/true", "true"))
	ctx, cancel := context.WithCancel(m.ctx)
	done := make(chan error)
	go func() {
		_, err := m.Exec(ctx, ExecRequest{Plan: p, Files: []*os.File{r}})
		done <- err
	}()
	m.eventually("it hangs", func() bool {
		s, err := m.List(m.ctx)
		for i := range s {
			s[i].Pidfd.Close()
		}
		return err == nil && len(s) == 1 && s[0].Exec
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("exec: %v", err)
	}
	m.eventually("it is gone", func() bool {
		s, err := m.List(m.ctx)
		return err == nil && len(s) == 0
	})
	m.Client.mu.Lock()
	defer m.Client.mu.Unlock()
	if len(m.dropped) != 0 {
		t.Errorf("left in the client: %v", m.dropped)
	}
}

func TestExecIsSignalled(t *testing.T) {
	m := startMonitor(t)
	e := m.exec(ExecRequest{Plan: script("sleep 60", false)})
	if err := e.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if x := m.waitExec(e); x.Signal != 9 || x.Code != 137 {
		t.Errorf("exit %+v", x)
	}
	if err := m.Signal(m.ctx, e.ID, unix.SIGKILL); !errors.Is(err, ErrUnknownID) {
		t.Errorf("signal after the exit: %v", err)
	}
}

func TestExecWithTerminal(t *testing.T) {
	needsRoot(t)
	needPTY(t)
	m := startMonitor(t)
	e := m.exec(ExecRequest{Plan: terminal("stty size; read x; stty size; exit 5", false, 10, 20), TTY: true})
	if e.Console == nil {
		t.Fatal("no console")
	}
	mustRead(t, e.Console, "10 20\r\n")
	if err := e.Resize(30, 40); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(e.Console)
	mustRead(t, e.Console, "\r\n30 40\r\n")
	if x := m.waitExec(e); x.Code != 5 {
		t.Errorf("exit %+v", x)
	}
}

func TestExecsInTheContainersPIDNamespace(t *testing.T) {
	needRoot(t)
	m := startMonitor(t)
	p := script("sleep 60", true)
	p.CloneFlags = unix.CLONE_NEWPID | unix.CLONE_NEWNS
	k, err := m.tryCreate(p)
	if err != nil {
		t.Fatal(err)
	}
	k.start()
	q := joining(k, "readlink /proc/$PPID/ns/pid >&2; echo $$", func(q *plan.Plan, r plan.Reg) { q.JoinPID = r })
	out, x := m.output(q)
	if pid, err := strconv.Atoi(strings.TrimSpace(out)); err != nil || pid < 2 || pid > 50 || x.Code != 0 {
		t.Errorf("pid %q, %v, exit %+v", out, err, x)
	}
	// The monitor itself is where it was: the next child is born outside.
	out, _ = m.output(ExecRequest{Plan: script("readlink /proc/self/ns/pid", false)})
	if own, _ := os.Readlink("/proc/self/ns/pid"); strings.TrimSpace(out) != own {
		t.Errorf("later exec in %q, want %q", out, own)
	}
	if err := m.Signal(m.ctx, k.id, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	k.wait()
}

// joining is an exec that joins a namespace of a container.
func joining(k *container, text string, set func(*plan.Plan, plan.Reg)) ExecRequest {
	q := script(text, false)
	set(q, q.File())
	return ExecRequest{Plan: q, Files: []*os.File{k.Pidfd}}
}

// output runs an exec to its end and gives its stdout.
func (m *monitor) output(q ExecRequest) (string, Exit) {
	m.t.Helper()
	r, w := pipe(m.t)
	q.Stdout = w
	e := m.exec(q)
	w.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(b), m.waitExec(e)
}

func TestExecsInTheContainersUserNamespace(t *testing.T) {
	needRoot(t)
	m := startMonitor(t)
	p := script("sleep 60", true)
	p.CloneFlags = unix.CLONE_NEWUSER | unix.CLONE_NEWPID
	p.UIDMap, p.GIDMap = "0 100000 65536\n", "0 100000 65536\n"
	k, err := m.tryCreate(p)
	if err != nil {
		t.Fatal(err)
	}
	k.start()
	adj := 777
	q := joining(k, "echo $$ $(id -u) $(cat /proc/self/oom_score_adj) $(cut -c1-30 /proc/self/uid_map)", func(q *plan.Plan, r plan.Reg) {
		q.JoinPID, q.JoinUser, q.OOMAdj = r, r, &adj
		uid := plan.Make(plan.OpSetresuid, "become root of the namespace")
		q.Steps = append([]plan.Step{uid}, q.Steps...)
	})
	out, x := m.output(q)
	f := strings.Fields(out)
	if x.Code != 0 || len(f) != 6 || f[1] != "0" || f[2] != "777" || f[4] != "100000" {
		t.Errorf("output %q, exit %+v", out, x)
	}
	bad := joining(k, "exit 0", func(q *plan.Plan, r plan.Reg) { q.JoinUser = r })
	f2, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer f2.Close()
	bad.Files = []*os.File{f2}
	var s *StepError
	if _, err := m.Exec(m.ctx, bad); !errors.As(err, &s) || s.At != "join namespaces" || s.Errno != unix.EINVAL {
		t.Errorf("join of a folder: %v", err)
	}
	if err := m.Signal(m.ctx, k.id, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	k.wait()
}

func TestManyExecsAtOnce(t *testing.T) {
	needsRoot(t)
	m := startMonitor(t)
	fds := m.countFDs()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 25 {
				e, err := m.Exec(m.ctx, ExecRequest{Plan: script(fmt.Sprintf("exit %d", i), false)})
				if err != nil {
					t.Error(err)
					return
				}
				if x, err := e.Wait(m.ctx); err != nil || x.Code != i {
					t.Errorf("exit %+v, %v; want %d", x, err, i)
				}
				e.Close()
			}
		})
	}
	wg.Wait()
	m.wantEmpty()
	m.eventually("as few descriptors as before", func() bool { return m.countFDs() <= fds })
}

// A network namespace of the host cannot be joined from a new user namespace, nor from one that is joined.
func TestNamespacesOfOthersAreJoinedBeforeTheUserNamespace(t *testing.T) {
	needRoot(t)
	m := startMonitor(t)
	p := script("sleep 60", true)
	p.CloneFlags = unix.CLONE_NEWNET | unix.CLONE_NEWUTS
	k, err := m.tryCreate(p)
	if err != nil {
		t.Fatal(err)
	}
	k.start()
	p = script("sleep 60", true)
	p.CloneFlags, p.UIDMap, p.GIDMap = unix.CLONE_NEWUSER|unix.CLONE_NEWUTS, "0 100000 65536\n", "0 100000 65536\n"
	u, err := m.tryCreate(p)
	if err != nil {
		t.Fatal(err)
	}
	u.start()
	link := func(pid int, name string) string {
		s, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, name))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	open := func(pid int, name string) *os.File {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	const text = "readlink /proc/self/ns/net /proc/self/ns/uts /proc/self/ns/user"
	check := func(name string, q *plan.Plan, want ...string) {
		t.Helper()
		files := []*os.File{open(k.Pid, "net"), open(u.Pid, "uts"), u.Pidfd}
		q.Joins = []plan.Reg{q.File(), q.File()}
		if third := q.File(); q.CloneFlags == 0 {
			q.JoinUser = third
		}
		out, x := m.output(ExecRequest{Plan: q, Files: files})
		got := strings.Fields(out)
		if x.Code != 0 || len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] == link(os.Getpid(), "user") {
			t.Errorf("%s: %q, want %q, exit %+v", name, got, want, x)
		}
	}
	made := script(text, false)
	made.CloneFlags, made.UIDMap, made.GIDMap = unix.CLONE_NEWUSER, "0 200000 65536\n", "0 200000 65536\n"
	check("a new one", made, link(k.Pid, "net"), link(u.Pid, "uts"))
	check("a joined one", script(text, false), link(k.Pid, "net"), link(u.Pid, "uts"))
	bad := script(text, false)
	bad.CloneFlags, bad.Joins = unix.CLONE_NEWUSER, []plan.Reg{bad.File()}
	f, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := m.Exec(m.ctx, ExecRequest{Plan: bad, Files: []*os.File{f}}); err == nil {
		t.Error("a directory was joined")
	}
	for _, c := range []*container{k, u} {
		if err := m.Signal(m.ctx, c.id, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		c.wait()
	}
}
