// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A terminal is the caller's. It is raw while the container's terminal does the work of one.
type terminal struct {
	file  *os.File
	owned bool          // opened here
	saved *unix.Termios // nil: not changed
}

// callersTerminal finds it: whichever of the standard streams is one, else the controlling terminal.
func callersTerminal() (*terminal, error) {
	for _, f := range []*os.File{os.Stderr, os.Stdout, os.Stdin} {
		if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err == nil {
			return &terminal{file: f}, nil
		}
	}
	f, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	return &terminal{file: f, owned: true}, nil
}

// raw is cfmakeraw(3), but for the processing of output, which the container's terminal leaves to this one.
func (t *terminal) raw() error {
	fd := int(t.file.Fd())
	saved, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	r := *saved
	r.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	r.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	r.Cflag &^= unix.CSIZE | unix.PARENB
	r.Cflag |= unix.CS8
	r.Cc[unix.VMIN], r.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &r); err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	t.saved = saved
	return nil
}

// Close gives the terminal its settings back.
func (t *terminal) Close() {
	if t.saved != nil {
		_ = unix.IoctlSetTermios(int(t.file.Fd()), unix.TCSETS, t.saved)
	}
	if t.owned {
		t.file.Close()
	}
}

// A proxy copies between the caller's terminal and the container's.
type proxy struct {
	master   *os.File
	terminal *terminal
	output   chan struct{} // closed when there is no more
}

// drainTime bounds the wait for output after the end of the process: what it left behind may keep its terminal.
const drainTime = 500 * time.Millisecond

func newProxy(console *os.File, t *terminal) (*proxy, error) {
	if console == nil {
		return nil, errors.New("the process has no terminal")
	}
	master, err := pollable(console)
	if err != nil {
		return nil, err
	}
	x := &proxy{master: master, terminal: t, output: make(chan struct{})}
	x.resize()
	if err := t.raw(); err != nil {
		master.Close()
		return nil, err
	}
	go func() { _, _ = io.Copy(master, os.Stdin) }() // ends with us
	go func() {
		defer close(x.output)
		_, _ = io.Copy(os.Stdout, master) // EIO: nobody has the other end any more
	}()
	return x, nil
}

// pollable makes a copy of a terminal's master for which deadlines work.
func pollable(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, firstFD)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("terminal: %w", err)
	}
	return os.NewFile(uintptr(fd), terminalName), nil
}

// prepare has the container's terminal leave "\n" to the caller's, which makes "\r\n" of it, and gives it the size of the caller's.
func (t *terminal) prepare(slave *os.File) error {
	fd := int(slave.Fd())
	settings, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	settings.Oflag &^= unix.ONLCR
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, settings); err != nil {
		return err
	}
	if size, err := unix.IoctlGetWinsize(int(t.file.Fd()), unix.TIOCGWINSZ); err == nil {
		_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, size)
	}
	return nil
}

// resize gives the container's terminal the size of the caller's.
func (x *proxy) resize() {
	size, err := unix.IoctlGetWinsize(int(x.terminal.file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return // it is gone, which SIGHUP tells
	}
	raw, err := x.master.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, size) })
	}
}

// drain waits for the last of the output.
func (x *proxy) drain() {
	_ = x.master.SetReadDeadline(time.Now().Add(drainTime))
	<-x.output
}

func (x *proxy) Close() { x.master.Close() }
