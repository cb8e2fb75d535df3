// SPDX-License-Identifier: Apache-2.0

package signalpipe

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A Pipe is where the signals come. One goroutine reads it.
type Pipe struct {
	fd    int
	bytes [64]byte
	begin int // of what was read and not given yet
	end   int
}

// open makes the pipe, and returns the end that the handler writes to. That one does not block: a handler must not wait. 65,536 signals
// may wait for us.
func open() (*Pipe, int, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, -1, os.NewSyscallError("pipe2", err)
	}
	if err := unix.SetNonblock(fds[1], true); err != nil {
		return nil, -1, errors.Join(err, unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return &Pipe{fd: fds[0]}, fds[1], nil
}

// Read waits for the next signal.
func (p *Pipe) Read() (unix.Signal, error) {
	for p.begin == p.end {
		n, err := unix.Read(p.fd, p.bytes[:])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, fmt.Errorf("signals: %w", os.ErrClosed) // the handler's end stays open
		default:
			p.begin, p.end = 0, n
		}
	}
	s := p.bytes[p.begin]
	p.begin++
	return unix.Signal(s), nil
}

// lastSignal is _NSIG of the kernel.
const lastSignal = 64

// catchable says whether a signal is to be caught. 32 and 33 are the C library's, which others send to nobody. SIGTTIN and SIGTTOU stop who
// uses a terminal from the background: caught, the kernel would start the call again for ever (tty_check_change in tty_jobctrl.c).
func catchable(s unix.Signal) bool {
	switch s {
	case unix.SIGKILL, unix.SIGSTOP, unix.SIGURG, unix.SIGTTIN, unix.SIGTTOU, 32, 33:
		return false
	}
	return true
}

// fault says whether the processor raises a signal too.
func fault(s unix.Signal) bool {
	switch s {
	case unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS:
		return true
	}
	return false
}
