// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reconnect closes the connection and makes another, as a daemon that was restarted.
func (m *monitor) reconnect() {
	m.t.Helper()
	if err := m.Close(); err != nil {
		m.t.Fatal(err)
	}
	if _, ok := <-m.Events(); ok || !errors.Is(m.Err(), ErrClosed) {
		m.t.Errorf("events go on, %v", m.Err())
	}
	c, err := Connect(m.ctx, m.socket())
	if err != nil {
		m.t.Fatal(err)
	}
	m.Client = c
}

func (m *monitor) list() []State {
	m.t.Helper()
	s, err := m.List(m.ctx)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, x := range s {
		if x.Pidfd != nil {
			m.t.Cleanup(func() { x.Pidfd.Close() })
		}
	}
	return s
}

func TestDaemonRestartLosesNothing(t *testing.T) {
	m := startMonitor(t)
	fifo := filepath.Join(m.dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	pid := m.Pid()
	waiting := m.create("exit 1")
	running := m.create(fmt.Sprintf("echo before; read x < %s; echo meanwhile; exit 6", fifo)).start()
	idle := m.create("cat; exit 3", stdin).start()
	idle.attach(false)
	m.Close()
	// Nobody is connected now.
	if err := os.WriteFile(fifo, []byte("go\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.eventually("the exit record", func() bool { _, err := ReadExit(running.exitDir); return err == nil })
	m.reconnect()
	if m.Pid() != pid {
		t.Errorf("pid %d, before %d", m.Pid(), pid)
	}
	byID := map[string]State{}
	for _, s := range m.list() {
		byID[s.ID] = s
	}
	if s := byID[waiting.id]; s.Status != Created || s.Pid != waiting.Pid || s.Pidfd == nil || !s.StartedAt.IsZero() {
		t.Errorf("created: %+v", s)
	}
	if s := byID[running.id]; s.Status != Exited || s.Exit.Code != 6 || s.Pidfd != nil || s.StartedAt.After(s.Exit.Time) || s.StartedAt.IsZero() {
		t.Errorf("exited: %+v", s)
	}
	if s := byID[idle.id]; s.Status != Running || s.Exec {
		t.Errorf("running: %+v", s)
	}
	if got := running.records(); !slices.Equal(got, []string{"stdout F before", "stdout F meanwhile"}) {
		t.Errorf("log %q", got)
	}
	if x := waiting.run(); x.Code != 1 {
		t.Errorf("exit %+v", x)
	}
	if err := m.CloseStdin(m.ctx, idle.id); err != nil {
		t.Fatal(err)
	}
	if x := idle.wait(); x.Code != 3 {
		t.Errorf("exit %+v", x)
	}
}

func TestExecOfADeadDaemonIsListed(t *testing.T) {
	m := startMonitor(t)
	k := m.create("cat", stdin).start()
	e := m.exec(ExecRequest{Plan: script("exit 9", false)})
	m.waitExec(e)
	e = m.exec(ExecRequest{Plan: script("read x; exit 9", false)}) // ends at once: /dev/null
	m.reconnect()
	if _, err := e.Wait(m.ctx); err != nil && !errors.Is(err, ErrClosed) {
		t.Errorf("wait: %v", err)
	}
	for _, s := range m.list() {
		if s.Exec && s.ID != e.ID {
			t.Errorf("listed %+v", s)
		}
	}
	if err := m.Signal(m.ctx, k.id, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	k.wait()
}

func TestEveryClientHearsEveryExit(t *testing.T) {
	m := startMonitor(t)
	other, err := Connect(m.ctx, m.socket())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	k := m.create("exit 2")
	k.run()
	if e := (<-other.Events()).(EventExit); e.ID != k.id || e.Code != 2 {
		t.Errorf("event %+v", e)
	}
}

func TestOrphansAreReaped(t *testing.T) {
	m := startMonitor(t)
	k := m.create("for i in 1 2 3 4 5; do (sleep 0.05 &) ; done; cat", stdin).start()
	// Five orphans are adopted, then die: only the container stays.
	m.eventually("the container is the only child", func() bool {
		return slices.Equal(childrenOf(t, m.Pid()), []string{fmt.Sprint(k.Pid)}) && strings.Contains(k.children(), "")
	})
	if err := m.CloseStdin(m.ctx, k.id); err != nil {
		t.Fatal(err)
	}
	k.wait()
	m.eventually("no child is left", func() bool { return len(childrenOf(t, m.Pid())) == 0 })
}

func (c *container) children() string { return strings.Join(childrenOf(c.m.t, c.Pid), " ") }

func childrenOf(t testing.TB, pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(b))
}

func TestShutdownRefusesWhileSomethingRuns(t *testing.T) {
	m := startMonitor(t)
	k := m.create("cat", stdin).start()
	if err := m.Shutdown(m.ctx, false); !errors.Is(err, unix.EBUSY) {
		t.Errorf("shutdown: %v", err)
	}
	if err := m.CloseStdin(m.ctx, k.id); err != nil {
		t.Fatal(err)
	}
	k.wait()
	if err := m.Shutdown(m.ctx, false); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if _, ok := <-m.Events(); ok || !errors.Is(m.Err(), ErrGone) {
		t.Errorf("events go on: %v", m.Err())
	}
	if err := m.StartContainer(m.ctx, k.id); !errors.Is(err, ErrGone) {
		t.Errorf("call to the dead: %v", err)
	}
}

func TestForcedShutdownKillsAndRecords(t *testing.T) {
	m := startMonitor(t)
	k := m.create("cat", stdin).start()
	if err := m.Shutdown(m.ctx, true); err != nil {
		t.Fatal(err)
	}
	if x, err := ReadExit(k.exitDir); err != nil || x.Signal != 9 {
		t.Errorf("record %+v, %v", x, err)
	}
	if x := k.wait(); x.Signal != 9 {
		t.Errorf("exit %+v", x)
	}
}

func TestKilledMonitorIsNoticedAndReaped(t *testing.T) {
	m := startMonitor(t)
	k := m.create("cat", stdin).start()
	e := m.exec(ExecRequest{Plan: script("sleep 60", false)})
	if err := unix.Kill(m.Pid(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-m.Events(); ok || !errors.Is(m.Err(), ErrGone) {
		t.Errorf("events go on: %v", m.Err())
	}
	if _, err := e.Wait(m.ctx); !errors.Is(err, ErrGone) {
		t.Errorf("wait: %v", err)
	}
	<-m.exited
	for _, fd := range []*os.File{k.Pidfd, e.Pidfd} { // as the daemon does by cgroup
		_ = unix.PidfdSendSignal(int(fd.Fd()), unix.SIGKILL, nil, 0)
	}
	if _, err := ReadExit(k.exitDir); !errors.Is(err, ErrNoExit) {
		t.Errorf("record: %v", err)
	}
	if _, err := Connect(m.ctx, m.socket()); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("connect: %v", err)
	}
}

func TestMonitorWithoutPurposeGoes(t *testing.T) {
	m := startMonitor(t)
	pidfd, err := unix.PidfdOpen(m.Pid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	m.Close() // holds nothing, and nobody is left
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 20_000); n != 1 || err != nil {
		t.Errorf("it is still there: %v", err)
	}
	_ = unix.Waitid(unix.P_PIDFD, pidfd, nil, unix.WEXITED, nil) // ECHILD: the Client was faster
}

func TestSIGTERMLetsTheMonitorGoWithItsContainers(t *testing.T) {
	m := startMonitor(t)
	k := m.create("cat; exit 4", stdin).start()
	if err := unix.Kill(m.Pid(), unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := m.CloseStdin(m.ctx, k.id); err != nil {
		t.Fatal(err)
	}
	if x := k.wait(); x.Code != 4 {
		t.Errorf("exit %+v", x)
	}
	<-m.exited
}

func TestSocketPathMayBeLong(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "conmon.sock")
	c, err := Start(ctx, StartConfig{SocketPath: path})
	if errors.Is(err, ErrNoBinary) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("socket %v, %v", st.Mode(), err)
	}
	if _, err := Start(ctx, StartConfig{SocketPath: path}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("second start at the same place: %v", err)
	}
	if err := c.Shutdown(ctx, false); err != nil {
		t.Fatal(err)
	}
	again, err := Start(ctx, StartConfig{SocketPath: path}) // the dead one's socket is replaced
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.Shutdown(ctx, false); err != nil {
		t.Error(err)
	}
}

func TestMonitorSurvivesNonsense(t *testing.T) {
	needsRoot(t)
	m := startMonitor(t)
	m.list()
	fds := m.countFDs()
	conn, err := dial(m.socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r, w := pipe(t)
	send := func(b []byte, files ...*os.File) {
		var fds []int
		for _, f := range files {
			fds = append(fds, int(f.Fd()))
		}
		if err := conn.write(b, unix.UnixRights(fds...)); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []message{
		{Type: msgCreate, Nfds: 2}, {Type: msgCreate, Nfds: 1}, {Type: 99, Nfds: 2}, {Type: msgOk, Nfds: 2}, {Type: msgExec, Nfds: 2, Flags: 1 << 30},
		{Type: msgStart, Nfds: 2, Id: [72]byte{'x'}}, {Type: msgCreate, Nfds: 2, Id: [72]byte{'x'}}, {Type: msgReopenLog, Nfds: 2, Id: [72]byte{'x'}},
	} {
		send(q.bytes(), r, w)
		wantErr(t, conn)
	}
	send([]byte("short"), r)
	wantErr(t, conn)
	send(make([]byte, 300), r, w)
	wantErr(t, conn)
	conn.Close()
	m.eventually("the monitor has closed what came", func() bool { return m.countFDs() <= fds })
	m.create("exit 0").run()
}

func wantErr(t *testing.T, conn *conn) {
	t.Helper()
	var a message
	if n, _, err := conn.read(a.bytes(), nil); err != nil || n != len(a.bytes()) || a.Type != msgErr {
		t.Errorf("answer %+v, %v", a.Type, err)
	}
}

func TestIdleMonitorIsSmall(t *testing.T) {
	needsRoot(t)
	if os.Getenv(otherBinary) != "" {
		t.Skip("sanitizers take memory")
	}
	m := startMonitor(t)
	idle := m.create("cat", stdin).start()
	m.create("echo once", stdin).run() // touches the buffers, which are given back
	m.eventually("the buffers are given back", func() bool { return len(childrenOf(t, m.Pid())) == 1 && anonymous(t, m.Pid()) <= 24 })
	t.Logf("memory of its own: %d KiB", anonymous(t, m.Pid()))
	if err := m.CloseStdin(m.ctx, idle.id); err != nil {
		t.Fatal(err)
	}
	idle.wait()
}

// anonymous is the memory that a process has for itself. The program's text is a memfd, shared by all monitors, but counts as private
// dirty memory of a single one.
func anonymous(t testing.TB, pid int) (kib int) {
	needRoot(t)
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.HasPrefix(s.Text(), "Pss_Anon:") {
			_, _ = fmt.Sscanf(s.Text(), "Pss_Anon: %d kB", &kib)
		}
	}
	return kib
}
