// SPDX-License-Identifier: Apache-2.0

package command

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A sink is a socket that takes one file, as engines have them for terminals and pidfds.
type sink struct {
	path   string
	listen *net.UnixListener
}

func (b *bench) sink() *sink {
	b.Helper()
	b.count++
	s := &sink{path: filepath.Join(b.dir, "sink"+strconv.Itoa(b.count))}
	var err error
	if s.listen, err = net.ListenUnix("unix", &net.UnixAddr{Name: s.path}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.listen.Close() })
	return s
}

// take takes the file, and the message that it came with.
func (s *sink) take(b *bench) (*os.File, string) {
	b.Helper()
	if err := s.listen.SetDeadline(time.Now().Add(patience)); err != nil {
		b.Fatal(err)
	}
	conn, err := s.listen.AcceptUnix()
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	text, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := conn.ReadMsgUnix(text, oob)
	if err != nil {
		b.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		b.Fatalf("%d control messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		b.Fatalf("%d files, %v", len(fds), err)
	}
	f := os.NewFile(uintptr(fds[0]), "taken")
	b.Cleanup(func() { f.Close() })
	return f, string(text[:n])
}

// A screen collects what a terminal shows.
type screen struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func newScreen(master io.Reader) *screen {
	s := &screen{}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			s.mu.Lock()
			s.text.Write(buffer[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *screen) shows() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) wait(b *bench, want string) {
	b.Helper()
	until(b, strconv.Quote(want), func() (string, bool) {
		got := s.shows()
		return got, strings.Contains(got, want)
	})
}

func TestConsoleSocketGetsTheTerminal(t *testing.T) {
	b := newBench(t)
	shell := func(s *specs.Spec) {
		terminal(s)
		s.Process.Args = []string{"/bin/sh"}
		s.Process.ConsoleSize = &specs.Box{Height: 33, Width: 77}
	}
	for _, how := range []string{"run", "create", "exec"} {
		c, console := b.bundle("", shell), b.sink()
		switch how {
		case "run":
			b.ok("run", "--detach", "--console-socket", console.path, "--bundle", c.bundle, c.id)
		case "create":
			b.ok("create", "--console-socket", console.path, "--bundle", c.bundle, c.id)
			b.ok("start", c.id)
		case "exec":
			c = b.running(waiting)
			b.ok("exec", "--tty", "--detach", "--console-socket", console.path, c.id, "/bin/sh")
		}
		master, name := console.take(b)
		if !strings.HasPrefix(name, "/dev/") {
			t.Errorf("%s: the terminal is called %q", how, name)
		}
		s := newScreen(master)
		if _, err := master.WriteString("stty size; echo a$((1+1))b\n"); err != nil {
			t.Fatal(err)
		}
		s.wait(b, "a2b\r\n")
		if how != "exec" && !strings.Contains(s.shows(), "33 77") {
			t.Errorf("%s: %q", how, s.shows())
		}
		b.ok("delete", "--force", c.id)
	}
}

func TestConsoleSocketMustFit(t *testing.T) {
	b := newBench(t)
	c, d := b.bundle("exit", terminal), b.bundle(waiting)
	b.fails(1, "cannot allocate tty if runc will detach without setting console socket", "create", "--bundle", c.bundle, c.id)
	b.fails(1, "cannot allocate tty if runc will detach without setting console socket", "run", "-d", "--bundle", c.bundle, c.id)
	b.fails(1, "cannot use console socket if runc will not detach or allocate tty", "run", "--console-socket", "/x", "--bundle", c.bundle, c.id)
	b.fails(1, "cannot use console socket if runc will not detach or allocate tty", "create", "--console-socket", "/x", "--bundle", d.bundle, d.id)
	b.fails(1, "", "create", "--console-socket", "/nonexistent", "--bundle", c.bundle, c.id)
	if out := b.ok("list", "-q"); out != "" {
		t.Errorf("left: %q", out)
	}
}

func TestPidfdSocketGetsThePidfd(t *testing.T) {
	b := newBench(t)
	b.newer("no --pidfd-socket", b.knows("create", "--pidfd-socket"))
	for _, how := range []string{"run", "create", "exec"} {
		c, taker := b.bundle(waiting), b.sink()
		pid := 0
		switch how {
		case "run":
			b.ok("run", "--detach", "--pidfd-socket", taker.path, "--bundle", c.bundle, c.id)
			pid = b.pid(c)
		case "create":
			b.ok("create", "--pidfd-socket", taker.path, "--bundle", c.bundle, c.id)
			pid = b.pid(c)
		case "exec":
			c = b.running(waiting)
			file := filepath.Join(b.dir, "exec.pid")
			b.ok("exec", "--detach", "--pid-file", file, "--pidfd-socket", taker.path, c.id, "sleep", "1000")
			text, err := os.ReadFile(file)
			if err == nil {
				pid, err = strconv.Atoi(string(text))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		fd, _ := taker.take(b)
		info, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(int(fd.Fd())))
		if err != nil || !strings.Contains(string(info), "Pid:\t"+strconv.Itoa(pid)+"\n") {
			t.Errorf("%s: process %d, the pidfd is of %s %v", how, pid, info, err)
		}
		b.ok("delete", "--force", c.id)
	}
}

// A pty is a terminal of the test's, in which the runtime runs in the foreground.
func (b *bench) pty() (master, slave *os.File) {
	b.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { master.Close() })
	var n int
	raw, err := master.SyscallConn()
	if err == nil {
		controlErr := raw.Control(func(fd uintptr) {
			if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
				n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
			}
		})
		if err == nil {
			err = controlErr
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	if slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { slave.Close() })
	return master, slave
}

func resize(b *bench, slave *os.File, rows, columns uint16) {
	b.Helper()
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		b.Fatal(err)
	}
}

// TestForegroundTerminal: the caller's terminal is the container's: its size, its keys, its line ends.
func TestForegroundTerminal(t *testing.T) {
	b := newBench(t)
	const shell = `trap 'stty size' WINCH; echo first; stty size; while read line; do echo "<$line>"; test "$line" = end && exit 5; done; read line; echo "<$line>"; exit 5`
	for _, how := range []string{"run", "exec"} {
		c := b.bundle(shell, terminal)
		args := []string{"run", "--bundle", c.bundle, c.id}
		if how == "exec" {
			c = b.running(waiting)
			args = []string{"exec", "--tty", c.id, "/bin/sh", "-c", shell}
		}
		master, slave := b.pty()
		resize(b, slave, 21, 43)
		s := newScreen(master)
		cmd := b.command(args...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s.wait(b, "first\r\n")
		s.wait(b, "21 43\r\n")
		resize(b, slave, 22, 44)
		s.wait(b, "22 44\r\n")
		if _, err := master.WriteString("end\n"); err != nil {
			t.Fatal(err)
		}
		s.wait(b, "<end>\r\n")
		if strings.Contains(s.shows(), "\r\r") {
			t.Errorf("%s: line ends are made twice: %q", how, s.shows())
		}
		if r := b.finish(cmd); r.code != 5 {
			t.Errorf("%s: %v", how, r)
		}
		settings, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
		if err != nil || settings.Lflag&unix.ICANON == 0 {
			t.Errorf("%s: the terminal is left raw (%v)", how, err)
		}
	}
}

// The first line of a workload has the line ends of all others, also when nobody waits for them: a pipe has no terminal that makes CR LF.
func TestLinesOfATerminalEndInNewlines(t *testing.T) {
	b := newBench(t)
	for range 5 {
		c := b.bundle("echo one; echo two", terminal)
		_, slave := b.pty()
		cmd := b.command("run", "--bundle", c.bundle, c.id)
		cmd.Stdin = slave
		if r := b.run(cmd); strings.Trim(r.out, "\x00") != "one\ntwo\n" {
			t.Errorf("%q", r.out)
		}
	}
}

func TestSignalsGoToTheWorkload(t *testing.T) {
	b := newBench(t)
	const script = `trap 'echo usr1' USR1; trap 'exit 3' TERM; echo ready; while :; do sleep 1 & wait; done`
	for _, how := range []string{"run", "exec"} {
		c := b.bundle(script)
		args := []string{"run", "--bundle", c.bundle, c.id}
		if how == "exec" {
			c = b.running(waiting)
			args = []string{"exec", c.id, "/bin/sh", "-c", script}
		}
		cmd := b.command(args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		printed := func(want string) {
			t.Helper()
			until(b, want, func() (string, bool) {
				out := b.text(cmd.Stdout)
				return out, strings.Contains(out, want)
			})
		}
		printed("ready\n")
		for _, s := range []unix.Signal{unix.SIGUSR1, unix.SIGTERM} {
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			if s == unix.SIGUSR1 {
				printed("usr1\n")
			}
		}
		if r := b.finish(cmd); r.code != 3 {
			t.Errorf("%s: %v", how, r)
		}
	}
}
