// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// attached is one attacher's own ends.
type attached struct {
	in       *os.File
	out, err *os.File
}

// attach attaches pipes to a container; stdin only on demand.
func (c *container) attach(stdin bool) *attached {
	c.m.t.Helper()
	a := &attached{}
	q := AttachRequest{ID: c.id}
	a.out, q.Stdout = pipe(c.m.t)
	a.err, q.Stderr = pipe(c.m.t)
	if stdin {
		q.Stdin, a.in = pipe(c.m.t)
	}
	if err := c.m.Attach(c.m.ctx, q); err != nil {
		c.m.t.Fatal(err)
	}
	q.Stdout.Close()
	q.Stderr.Close()
	if q.Stdin != nil {
		q.Stdin.Close()
	}
	return a
}

func (a *attached) rest(t *testing.T) (string, string) {
	t.Helper()
	out, err1 := io.ReadAll(a.out)
	errs, err2 := io.ReadAll(a.err)
	if err := errors.Join(err1, err2); err != nil {
		t.Error(err)
	}
	return string(out), string(errs)
}

func stdin(q *CreateRequest)     { q.Stdin = true }
func stdinOnce(q *CreateRequest) { q.Stdin, q.StdinOnce = true, true }

func TestSeveralAttachersSeeAndSayTheSame(t *testing.T) {
	m := startMonitor(t)
	k := m.create("while read x; do echo got $x; echo also $x >&2; [ $x = end ] && exit 0; done", stdin)
	a, b, silent := k.attach(true), k.attach(true), k.attach(false)
	k.start()
	fmt.Fprintln(a.in, "one")
	mustRead(t, a.out, "got one\n")
	mustRead(t, b.out, "got one\n")
	a.in.Close() // ends neither the container's stdin nor a's output
	fmt.Fprintln(b.in, "end")
	k.wait()
	for i, x := range []*attached{a, b, silent} {
		out, errs := x.rest(t)
		want := "got end\n"
		if x == silent {
			want = "got one\ngot end\n"
		}
		if out != want || errs != "also one\nalso end\n" {
			t.Errorf("attacher %d: %q, %q", i, out, errs)
		}
	}
	if got := k.records(); len(got) != 4 {
		t.Errorf("log %q", got)
	}
}

func TestStdinStaysOpenBetweenAttachers(t *testing.T) {
	m := startMonitor(t)
	k := m.create("cat; exit 3", stdin)
	k.start()
	for i := range 3 {
		a := k.attach(true)
		fmt.Fprintf(a.in, "line %d\n", i)
		mustRead(t, a.out, fmt.Sprintf("line %d\n", i))
		a.in.Close()
		a.out.Close()
		a.err.Close()
	}
	if err := m.CloseStdin(m.ctx, k.id); err != nil {
		t.Fatal(err)
	}
	if x := k.wait(); x.Code != 3 {
		t.Errorf("exit %+v", x)
	}
}

func TestStdinOnceEndsWithItsFirstAttacher(t *testing.T) {
	m := startMonitor(t)
	for name, end := range map[string]func(*attached){
		"by its end":        func(a *attached) { a.in.Close() },
		"by going entirely": func(a *attached) { a.out.Close(); a.err.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			k := m.create("cat >/dev/null; echo over; exit 3", stdinOnce)
			k.attach(false).out.Close() // has no stdin: changes nothing
			k.start()
			end(k.attach(true))
			if x := k.wait(); x.Code != 3 {
				t.Errorf("exit %+v", x)
			}
		})
	}
}

func TestNoStdinIsDevNull(t *testing.T) {
	m := startMonitor(t)
	k := m.create("stat -Lc %t:%T /proc/self/fd/0; cat")
	k.run()
	if got := k.records(); len(got) != 1 || got[0] != "stdout F 1:3" {
		t.Errorf("log %q", got)
	}
}

func TestMuchInputReachesASlowReader(t *testing.T) {
	m := startMonitor(t)
	k := m.create("sleep 0.05; wc -c", stdinOnce)
	a := k.attach(true)
	k.start()
	const size = 3 << 20
	if n, err := a.in.Write(make([]byte, size)); n != size || err != nil {
		t.Fatal(n, err)
	}
	a.in.Close()
	k.wait()
	if got := k.records(); len(got) != 1 || got[0] != fmt.Sprintf("stdout F %d", size) {
		t.Errorf("log %q", got)
	}
}

func TestAttacherThatReadsSlowlyMissesNothing(t *testing.T) {
	m := startMonitor(t)
	k := m.create("head -c 5000000 /dev/zero | tr '\\0' x; echo")
	a, b := k.attach(false), k.attach(false)
	k.start()
	fast := make(chan int)
	go func() {
		n, _ := io.Copy(io.Discard, b.out)
		fast <- int(n)
	}()
	total := 0
	buf := make([]byte, 10000)
	for {
		n, err := a.out.Read(buf)
		total += n
		if err != nil {
			break
		}
	}
	if n := <-fast; total != 5000001 || n != total {
		t.Errorf("read %d and %d bytes", total, n)
	}
	k.wait()
}

func TestAttacherThatNeverReadsIsDropped(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as a stalled attacher may stall: 10 s")
	}
	t.Parallel()
	m := startMonitor(t)
	k := m.create("head -c 1000000 /dev/zero; exit 1")
	stuck := k.attach(false)
	if x := k.run(); x.Code != 1 {
		t.Errorf("exit %+v", x)
	}
	if out, _ := stuck.rest(t); len(out) == 0 || len(out) > 300000 {
		t.Errorf("stalled attacher got %d bytes", len(out))
	}
}

func TestVanishedAttacherIsNoticedWithoutOutput(t *testing.T) {
	needsRoot(t)
	m := startMonitor(t)
	k := m.create("cat", stdin)
	k.start()
	fds := m.countFDs()
	for range 50 {
		a := k.attach(true)
		a.in.Close()
		a.out.Close()
		a.err.Close()
	}
	m.eventually("the monitor closes their files", func() bool { return m.countFDs() == fds })
}

// countFDs counts the descriptors of the monitor, which is not dumpable: only root may look.
func (m *monitor) countFDs() int {
	needRoot(m.t)
	d, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.Pid()))
	if err != nil {
		m.t.Fatal(err)
	}
	return len(d)
}

func TestAttachToTheDeadIsRefused(t *testing.T) {
	m := startMonitor(t)
	k := m.create("exit 0")
	k.run()
	_, w := pipe(t)
	if err := m.Attach(m.ctx, AttachRequest{ID: k.id, Stdout: w}); !errors.Is(err, unix.ESRCH) {
		t.Errorf("attach: %v", err)
	}
}

func TestOutputOfAHalfClosedAttacherGoesOn(t *testing.T) {
	m := startMonitor(t)
	k := m.create("echo out; echo err >&2; read x; echo out2; echo err2 >&2", stdin)
	a := k.attach(true)
	a.out.Close()
	k.start()
	mustRead(t, a.err, "err\n")
	fmt.Fprintln(a.in)
	mustRead(t, a.err, "err2\n")
	k.wait()
}

// terminal is a plan like script's, with a terminal of the given size.
func terminal(text string, barrier bool, rows, cols uint64) *plan.Plan {
	p := plan.New()
	dir := p.Reg()
	open := plan.Make(plan.OpOpenat2, "open /dev/pts")
	open.Str[0], open.Out, open.Arg[0] = "/dev/pts", dir, unix.O_PATH|unix.O_DIRECTORY
	p.Add(open)
	verify := plan.Make(plan.OpVerifyFs, "check that it is one")
	verify.FD, verify.Arg[0] = dir, unix.DEVPTS_SUPER_MAGIC
	p.Add(verify)
	pty := plan.Make(plan.OpPty, "make a terminal")
	pty.FD, pty.Arg = dir, [4]uint64{rows, cols, uint64(os.Getuid()), uint64(os.Getgid())}
	p.Add(pty)
	if barrier {
		p.Add(plan.Make(plan.OpBarrier, "created"))
	}
	p.Add(execStep("/bin/sh", "sh", "-c", text))
	return p
}

func needPTY(t testing.TB) {
	needRoot(t) // /dev/pts/ptmx has mode 000 unless the mount says otherwise
	if _, err := os.Stat(filepath.Join("/dev/pts", "ptmx")); err != nil {
		t.Skip(err)
	}
}

func TestTerminalOfAContainer(t *testing.T) {
	needsRoot(t)
	needPTY(t)
	m := startMonitor(t)
	p := terminal("trap 'stty size' WINCH; stty size; test -t 0 && test -t 1 && test -t 2 && echo tty; "+
		"echo err >&2; while :; do read x && break; done; echo read $x; exit 8", true, 24, 80)
	k, err := m.tryCreate(p, func(q *CreateRequest) { q.TTY, q.Stdin = true, true })
	if err != nil {
		t.Fatal(err)
	}
	a := k.attach(true)
	k.start()
	mustRead(t, a.out, "24 80\r\ntty\r\nerr\r\n")
	if err := m.Resize(m.ctx, k.id, 40, 100); err != nil {
		t.Fatal(err)
	}
	mustRead(t, a.out, "40 100\r\n")
	fmt.Fprint(a.in, "hello\n")
	mustRead(t, a.out, "hello\r\nread hello\r\n") // with its echo
	if x := k.wait(); x.Code != 8 {
		t.Errorf("exit %+v", x)
	}
	if out, errs := a.rest(t); out != "" || errs != "" {
		t.Errorf("rest %q, %q", out, errs)
	}
	want := "stdout F 24 80\r\nstdout F tty\r\nstdout F err\r\nstdout F 40 100\r\nstdout F hello\r\nstdout F read hello\r"
	if got := strings.Join(k.records(), "\n"); got != want {
		t.Errorf("log %q", got)
	}
	if err := m.Resize(m.ctx, k.id, 40, 100); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("resize after the exit: %v", err)
	}
}

func TestHangUpOfATerminalLosesNoOutput(t *testing.T) {
	needsRoot(t)
	needPTY(t)
	m := startMonitor(t)
	for range 20 {
		k, err := m.tryCreate(terminal("head -c 3000 /dev/zero | tr '\\0' y; echo; printf end", true, 0, 0), func(q *CreateRequest) { q.TTY = true })
		if err != nil {
			t.Fatal(err)
		}
		k.run()
		if got := k.records(); len(got) != 2 || len(got[0]) != len("stdout F ")+3001 || got[1] != "stdout P end" {
			t.Fatalf("log %.100q", got)
		}
	}
}

func TestResizeWithoutTerminalIsRefused(t *testing.T) {
	m := startMonitor(t)
	k := m.create("exit 0")
	if err := m.Resize(m.ctx, k.id, 1, 1); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("resize: %v", err)
	}
	k.run()
}
