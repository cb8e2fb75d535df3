// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

func TestContainerRunsAfterStartAndLeavesItsExit(t *testing.T) {
	m := startMonitor(t)
	before := time.Now().Add(-time.Second)
	c := m.create("echo hello; exit 7")
	if got := c.readLog(); got != "" {
		t.Errorf("log before the start: %q", got)
	}
	x := c.run()
	if x.Code != 7 || x.Signal != 0 || x.Time.Before(before) || x.Time.After(time.Now().Add(time.Second)) {
		t.Errorf("exit %+v", x)
	}
	if got := c.records(); len(got) != 1 || got[0] != "stdout F hello" {
		t.Errorf("log %q", got)
	}
	if r, err := ReadExit(c.exitDir); err != nil || !r.Time.Equal(x.Time) || r.Code != 7 {
		t.Errorf("exit record %+v, %v; event %+v", r, err, x)
	}
	if err := m.Forget(m.ctx, c.id); err != nil {
		t.Error(err)
	}
	if err := m.Forget(m.ctx, c.id); !errors.Is(err, ErrUnknownID) {
		t.Errorf("second forget: %v", err)
	}
}

func TestSignalsEndContainersInEveryState(t *testing.T) {
	m := startMonitor(t)
	created := m.create("exit 0")
	running := m.create("kill -STOP $$; sleep 60")
	running.start()
	for _, c := range []*container{created, running} {
		if err := m.Signal(m.ctx, c.id, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if x := c.wait(); x.Code != 137 || x.Signal != 9 {
			t.Errorf("exit %+v", x)
		}
		if err := m.Signal(m.ctx, c.id, unix.SIGKILL); !errors.Is(err, unix.ESRCH) {
			t.Errorf("signal after the exit: %v", err)
		}
	}
	if err := m.StartContainer(m.ctx, created.id); !errors.Is(err, ErrState) {
		t.Errorf("start after the exit: %v", err)
	}
}

func TestSignalReachesHandler(t *testing.T) {
	m := startMonitor(t)
	r, w := pipe(t)
	c := m.create("trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done")
	if err := m.Attach(m.ctx, AttachRequest{ID: c.id, Stdout: w}); err != nil {
		t.Fatal(err)
	}
	c.start()
	mustRead(t, r, "ready\n")
	if err := m.Signal(m.ctx, c.id, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if x := c.wait(); x.Code != 3 || x.Signal != 0 {
		t.Errorf("exit %+v", x)
	}
}

func TestFailingStepIsReportedInWords(t *testing.T) {
	m := startMonitor(t)
	bad := plan.Make(plan.OpChdir, "enter /nonexistent/place")
	bad.Str[0] = "/nonexistent/place"
	_, err := m.tryCreate(script("exit 0", true, bad))
	var s *StepError
	if !errors.As(err, &s) || s.Index != 2 || s.Op != plan.OpChdir || !errors.Is(err, unix.ENOENT) {
		t.Fatalf("error %#v", err)
	}
	if want := "enter /nonexistent/place: CHDIR: no such file or directory"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if states, err := m.List(m.ctx); err != nil || len(states) != 0 {
		t.Errorf("left behind: %v, %v", states, err)
	}
}

func TestToleratedFailureSkips(t *testing.T) {
	m := startMonitor(t)
	try := plan.Make(plan.OpChdir, "try a folder")
	try.Str[0], try.OK, try.Skip = "/nonexistent", []unix.Errno{unix.EPERM, unix.ENOENT}, 1
	skipped := plan.Make(plan.OpChdir, "never done")
	skipped.Str[0] = "/nonexistent"
	c, err := m.tryCreate(script("exit 4", true, try, skipped))
	if err != nil {
		t.Fatal(err)
	}
	if x := c.run(); x.Code != 4 {
		t.Errorf("exit %+v", x)
	}
}

func TestFailingExecIsReportedByStart(t *testing.T) {
	m := startMonitor(t)
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	garbage := filepath.Join(dir, "garbage")
	for path, mode := range map[string]os.FileMode{plain: 0o644, garbage: 0o755} {
		if err := os.WriteFile(path, []byte("\x00no program"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		path, env string
		want      unix.Errno
	}{
		"missing file":               {"/nonexistent/program", "PATH=/bin", unix.ENOENT},
		"not in PATH":                {"nonexistent-program", "PATH=/bin:/usr/bin", unix.ENOENT},
		"not executable":             {plain, "PATH=/bin", unix.EACCES},
		"not executable, by PATH":    {"plain", "PATH=/nonexistent:" + dir + ":/bin", unix.EACCES},
		"no program":                 {garbage, "PATH=/bin", unix.ENOEXEC},
		"no PATH":                    {"nonexistent-program", "FOO=bar", unix.ENOENT},
		"empty name":                 {"", "PATH=/bin", unix.ENOENT},
		"directory found through it": {filepath.Base(dir), "PATH=" + filepath.Dir(dir), unix.EACCES},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan.New()
			p.Add(plan.Make(plan.OpStdio, "stdio"))
			p.Add(plan.Make(plan.OpBarrier, "created"))
			e := execStep(c.path, "x")
			e.Has[0], e.Env = true, []string{c.env}
			p.Add(e)
			k, err := m.tryCreate(p)
			if err != nil {
				t.Fatal(err)
			}
			err = m.StartContainer(m.ctx, k.id)
			var s *StepError
			if !errors.As(err, &s) || s.Op != plan.OpExec || s.Errno != c.want {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if s != nil && !strings.HasPrefix(s.Error(), "start "+c.path+": EXEC: ") {
				t.Errorf("words %q", s)
			}
			if x := k.wait(); x.Code != 128 || x.Signal != 0 {
				t.Errorf("exit %+v", x)
			}
		})
	}
}

func TestExecSearchesContainersPath(t *testing.T) {
	m := startMonitor(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\nexit 9\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := plan.New()
	e := execStep("tool", "tool")
	e.Env = []string{"XPATH=/bin", "PATH=/nonexistent:/proc/self/status/x:" + dir, "PATH=/other"}
	p.Add(e)
	c, err := m.tryCreate(p)
	if err != nil {
		t.Fatal(err)
	}
	if x := c.wait(); x.Code != 9 {
		t.Errorf("exit %+v", x)
	}
}

func TestNothingOfTheHostLeaksIntoTheWorkload(t *testing.T) {
	m := startMonitor(t)
	var files []*os.File
	p := script("ls -l /proc/self/fd | sed -n 's/.*\\([0-9]\\) -> .*/\\1/p' | tr '\\n' ' '; env; grep Sig[BI] /proc/self/status; umask", true)
	for range 20 {
		f, err := os.Open("/proc/self")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
		p.File()
	}
	other := m.create("sleep 60") // its stdio is the monitor's business
	defer other.start()
	c, err := m.tryCreate(p, func(r *CreateRequest) { r.Files = files })
	if err != nil {
		t.Fatal(err)
	}
	c.run()
	got := strings.Join(c.records(), "\n")
	// ls has the directory itself open as 3.
	for _, want := range []string{"stdout F 0 1 2 3 ", "SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000", "F 0022"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if n := strings.Count(got, "="); n != 3 { // PATH, LC_ALL, and the shell's own PWD
		t.Errorf("environment: %s", got)
	}
}

func TestWaitingChildHoldsNoOtherContainersStdin(t *testing.T) {
	m := startMonitor(t)
	a := m.create("cat; exit 5", func(r *CreateRequest) { r.Stdin = true })
	b := m.create("exit 0") // cloned while the monitor had a's stdin open; waits at its barrier
	a.start()
	if err := m.CloseStdin(m.ctx, a.id); err != nil {
		t.Fatal(err)
	}
	if x := a.wait(); x.Code != 5 {
		t.Errorf("exit %+v", x)
	}
	b.run()
}

func TestNamespacesAndIDMaps(t *testing.T) {
	needRoot(t)
	m := startMonitor(t)
	p := script("echo $$; cat /proc/self/uid_map; id -u; hostname; cat /proc/self/oom_score_adj", true)
	p.CloneFlags = unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWNS
	p.UIDMap, p.GIDMap = "0 100000 65536\n", "0 200000 65536\n"
	adj := 500
	p.OOMAdj = &adj
	host := plan.Make(plan.OpSethostname, "set the host name")
	host.Str[0] = "inside"
	uid := plan.Make(plan.OpSetresuid, "become root")
	gid := plan.Make(plan.OpSetresgid, "become root's group")
	p.Steps = append([]plan.Step{gid, uid, host}, p.Steps...)
	c, err := m.tryCreate(p)
	if err != nil {
		t.Fatal(err)
	}
	uids, err := os.ReadFile(fmt.Sprintf("/proc/%d/uid_map", c.Pid))
	if err != nil || strings.Join(strings.Fields(string(uids)), " ") != "0 100000 65536" {
		t.Errorf("uid map %q, %v", uids, err)
	}
	c.run()
	got := c.records()
	want := []string{"1", "         0     100000      65536", "0", "inside", "500"}
	for i := range want {
		if i >= len(got) || got[i] != "stdout F "+want[i] {
			t.Fatalf("output %q", got)
		}
	}
}

func TestSentFilesComeBack(t *testing.T) {
	m := startMonitor(t)
	p := script("exit 0", true)
	r := p.Reg()
	open := plan.Make(plan.OpOpenat2, "open /proc")
	open.Str[0], open.Out, open.Arg[0] = "/proc", r, unix.O_PATH
	send := plan.Make(plan.OpSendFd, "send it")
	send.FD, send.Arg[0] = r, 42
	p.Steps = append([]plan.Step{open, send}, p.Steps...)
	c, err := m.tryCreate(p)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Sent) != 1 || c.Sent[0].Kind != 42 {
		t.Fatalf("sent %+v", c.Sent)
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(c.Sent[0].File.Fd()), &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC {
		t.Errorf("file system %#x, %v", st.Type, err)
	}
	c.run()
}

func TestPreservedFilesStandBehindStdio(t *testing.T) {
	m := startMonitor(t)
	p := script("cat <&3; cat <&4", false)
	var files []*os.File
	for _, text := range []string{"unused", "one\n", "two\n"} {
		r, w := pipe(t)
		if _, err := w.WriteString(text); err != nil {
			t.Fatal(err)
		}
		w.Close()
		files = append(files, r)
		p.File()
	}
	e := &p.Steps[len(p.Steps)-1]
	e.Arg[1], e.Arg[2] = 2, 1
	c, err := m.tryCreate(p, func(r *CreateRequest) { r.Files = files })
	if err != nil {
		t.Fatal(err)
	}
	c.wait()
	if got := c.records(); len(got) != 2 || got[0] != "stdout F one" || got[1] != "stdout F two" {
		t.Errorf("output %q", got)
	}
}

func TestCreateRefusesWhatItCannotHold(t *testing.T) {
	m := startMonitor(t)
	c := m.create("exit 0")
	if _, err := m.Create(m.ctx, CreateRequest{ID: c.id, Plan: script("exit 0", true)}); !errors.Is(err, unix.EEXIST) {
		t.Errorf("same id: %v", err)
	}
	if _, err := m.Create(m.ctx, CreateRequest{ID: strings.Repeat("x", 72), Plan: script("exit 0", true)}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("long id: %v", err)
	}
	p := script("exit 0", true)
	p.File()
	if _, err := m.Create(m.ctx, CreateRequest{ID: newID(), Plan: p}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("missing file: %v", err)
	}
	if err := m.StartContainer(m.ctx, newID()); !errors.Is(err, ErrUnknownID) {
		t.Errorf("unknown id: %v", err)
	}
	if err := m.Forget(m.ctx, c.id); !errors.Is(err, ErrState) {
		t.Errorf("forget what lives: %v", err)
	}
	c.run()
}

func TestCancelledCreateLeavesNothing(t *testing.T) {
	m := startMonitor(t)
	r, w := pipe(t)
	p := plan.New()
	f := p.File()
	hang := plan.Make(plan.OpWaitFd, "wait for ever")
	hang.FD = f
	p.Add(hang)
	p.Add(plan.Make(plan.OpBarrier, "created"))
	p.Add(execStep("/bin/true", "true"))
	ctx, cancel := context.WithCancel(m.ctx)
	done := make(chan error)
	go func() {
		_, err := m.Create(ctx, CreateRequest{ID: newID(), Plan: p, Files: []*os.File{r}})
		done <- err
	}()
	m.eventually("the child runs its plan", func() bool {
		s, err := m.List(m.ctx)
		for i := range s {
			s[i].Pidfd.Close()
		}
		return err == nil && len(s) == 1 && s[0].Status == Creating
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("create: %v", err)
	}
	m.eventually("it is forgotten", func() bool {
		s, err := m.List(m.ctx)
		return err == nil && len(s) == 0
	})
	_ = w
}

func TestDeathDuringThePlanIsTold(t *testing.T) {
	m := startMonitor(t)
	r, _ := pipe(t)
	p := plan.New()
	hang := plan.Make(plan.OpWaitFd, "wait for ever")
	hang.FD = p.File()
	p.Add(hang)
	p.Add(plan.Make(plan.OpBarrier, "created"))
	p.Add(execStep("/bin/true", "true"))
	done := make(chan error)
	id := newID()
	go func() {
		_, err := m.Create(m.ctx, CreateRequest{ID: id, Plan: p, Files: []*os.File{r}})
		done <- err
	}()
	m.eventually("it can be killed", func() bool { return m.Signal(m.ctx, id, unix.SIGKILL) == nil })
	var s *StepError
	if err := <-done; !errors.As(err, &s) || s.Signal != unix.SIGKILL || err.Error() != "child died: SIGKILL" {
		t.Errorf("create: %v", err)
	}
	m.wantEmpty()
}

func TestLargeEnvironment(t *testing.T) {
	m := startMonitor(t)
	p := script("env | wc -c", true)
	e := &p.Steps[len(p.Steps)-1]
	total := 0
	for i := range 100 {
		v := fmt.Sprintf("VAR%d=%s", i, strings.Repeat("v", 12000))
		e.Env = append(e.Env, v)
	}
	for _, v := range e.Env {
		total += len(v) + 1
	}
	c, err := m.tryCreate(p)
	if err != nil {
		t.Fatal(err)
	}
	c.run()
	if got := c.records(); len(got) != 1 || got[0] != fmt.Sprintf("stdout F %d", total+len("PWD=/\n")) {
		t.Errorf("output %q, want %d", got, total)
	}
}

func TestOOMKillsAreCounted(t *testing.T) {
	m := startMonitor(t)
	path := filepath.Join(t.TempDir(), "memory.events")
	text := "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 9\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := m.create("exit 0", func(r *CreateRequest) { r.OOM = f })
	if x := c.run(); x.OOMKills != 2 {
		t.Errorf("exit %+v", x)
	}
	if r, err := ReadExit(c.exitDir); err != nil || r.OOMKills != 2 {
		t.Errorf("record %+v, %v", r, err)
	}
}

func mustRead(t testing.TB, r *os.File, want string) {
	t.Helper()
	b := make([]byte, len(want))
	for n := 0; n < len(b); {
		k, err := r.Read(b[n:])
		n += k
		if err != nil {
			t.Fatalf("read %q, then %v; want %q", b[:n], err, want)
		}
	}
	if string(b) != want {
		t.Fatalf("read %q, want %q", b, want)
	}
}

func TestOOMScoreIsTheDaemonsOrThePlans(t *testing.T) {
	needRoot(t) // to write another process's score
	needsRoot(t)
	m := startMonitor(t)
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	c := m.create("cat /proc/self/oom_score_adj") // the monitor may have lowered its own
	c.run()
	p := script("cat /proc/self/oom_score_adj", true)
	adj := 654
	p.OOMAdj = &adj
	d, err := m.tryCreate(p)
	if err != nil {
		t.Fatal(err)
	}
	d.run()
	got := append(c.records(), d.records()...)
	if want := "stdout F " + strings.TrimSpace(string(own)); len(got) != 2 || got[0] != want || got[1] != "stdout F 654" {
		t.Errorf("scores %q, want %q and 654", got, want)
	}
}
