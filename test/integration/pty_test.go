// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal is the user's side of a pseudo-terminal that a command runs on (pty(7)).
type terminal struct {
	t       *testing.T
	master  *os.File
	cmd     *exec.Cmd
	output  lockedBuffer  // all that the command has written
	drained chan struct{} // closed when there is nothing more to come
}

// onTerminal starts the command with a new terminal of 40 rows and 100 columns as its stdin, stdout and stderr.
func onTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	term := &terminal{t: t, master: master, cmd: cmd, drained: make(chan struct{})}
	term.resize(40, 100)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(term.drained)
		_, _ = io.Copy(&term.output, master) // ends with EIO when the command has
	}()
	return term
}

func (t *terminal) resize(rows, cols uint16) {
	t.t.Helper()
	if err := unix.IoctlSetWinsize(int(t.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}); err != nil {
		t.t.Fatal(err)
	}
}

func (t *terminal) write(s string) {
	t.t.Helper()
	if _, err := t.master.WriteString(s); err != nil {
		t.t.Fatal(err)
	}
}

// read is all that the command has written so far.
func (t *terminal) read() string { return t.output.String() }

func (t *terminal) wait() error {
	err := t.cmd.Wait()
	<-t.drained
	t.master.Close()
	return err
}
