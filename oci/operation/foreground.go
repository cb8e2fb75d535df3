// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"errors"
	"os"

	"crisp/conmon"
	"crisp/oci/signalpipe"

	"golang.org/x/sys/unix"
)

// A foreground stands between our caller and a process that we wait for: signals go to the process, and the caller's terminal is the
// process's. The zero value, for a process that is not waited for, does nothing.
type foreground struct {
	signals  *signalpipe.Pipe
	terminal *terminal // nil: stdio is the process's own
	proxy    *proxy
}

// newForeground takes signals from here on, so that none is lost before there is a process.
func newForeground(tty, detach bool) (*foreground, error) {
	f := &foreground{}
	if detach {
		return f, nil
	}
	if tty {
		t, err := callersTerminal()
		if err != nil {
			return nil, err
		}
		f.terminal = t
	}
	var err error
	if f.signals, err = signalpipe.Catch(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// terminalSetter is what sets the process's terminal up before it writes a line; nil without one.
func (f *foreground) terminalSetter() func(*os.File) error {
	if f.terminal == nil {
		return nil
	}
	return f.terminal.prepare
}

// attach connects the terminals.
func (f *foreground) attach(p conmon.Process) error {
	if f.terminal == nil {
		return nil
	}
	x, err := newProxy(p.Console, f.terminal)
	f.proxy = x
	return err
}

// wait passes signals on until the process's end, and returns its exit code when the last of its output is here. With all, whatever else
// becomes our child meanwhile is reaped too.
func (f *foreground) wait(p conmon.Process, all bool) (int, error) {
	pidfd := int(p.Pidfd.Fd())
	which := p.Pid
	if all {
		which = -1
	}
	for {
		code, ended, err := reap(p.Pid, which)
		if ended || err != nil {
			f.drain()
			return code, err
		}
		s, err := f.signals.Read()
		if err != nil {
			return -1, err
		}
		f.forward(pidfd, s)
	}
}

// forward passes a signal on by the pidfd, which never means another process.
func (f *foreground) forward(pidfd int, s unix.Signal) {
	switch s {
	case unix.SIGCHLD: // ours
	case unix.SIGWINCH:
		if f.proxy != nil {
			f.proxy.resize()
		}
	default:
		_ = unix.PidfdSendSignal(pidfd, s, nil, 0) // it may have exited
	}
}

// reap takes children that have ended: which, or any for -1. ended says whether the one with the pid has, and code what it ended with.
func reap(pid, which int) (code int, ended bool, err error) {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(which, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return -1, false, err
		case got == 0:
			return 0, false, nil
		case got != pid:
		case status.Signaled():
			return 128 + int(status.Signal()), true, nil
		default:
			return status.ExitStatus(), true, nil
		}
	}
}

// await waits for the end of a child that was killed.
func await(pid int) {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func (f *foreground) drain() {
	if f.proxy != nil {
		f.proxy.drain()
	}
}

// Close gives the caller's terminal back.
func (f *foreground) Close() {
	if f.proxy != nil {
		f.proxy.Close()
	}
	if f.terminal != nil {
		f.terminal.Close()
	}
}
