// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"os"
	"os/signal"

	"crisp/conmon"

	"golang.org/x/sys/unix"
)

// A foreground stands between our caller and a process that we wait for: signals go to the process, and the caller's terminal is the
// process's. The zero value, for a process that is not waited for, does nothing.
type foreground struct {
	signals  chan os.Signal
	terminal *terminal // nil: stdio is the process's own
	proxy    *proxy
}

// signalQueue is how many signals may wait while the process is made.
const signalQueue = 64

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
	f.signals = make(chan os.Signal, signalQueue)
	signal.Notify(f.signals)
	return f, nil
}

// attach connects the terminals, and forwards signals.
func (f *foreground) attach(p conmon.Process) error {
	if f.terminal != nil {
		x, err := newProxy(p.Console, f.terminal)
		if err != nil {
			return err
		}
		f.proxy = x
	}
	go f.forward(int(p.Pidfd.Fd()))
	return nil
}

// forward passes signals on by the pidfd, which never means another process.
func (f *foreground) forward(pidfd int) {
	for s := range f.signals {
		switch s {
		case unix.SIGCHLD, unix.SIGURG: // ours: the runtime of Go preempts by SIGURG
		case unix.SIGWINCH:
			f.resize()
		default:
			_ = unix.PidfdSendSignal(pidfd, s.(unix.Signal), nil, 0) // it may have exited
		}
	}
}

func (f *foreground) resize() {
	if f.proxy != nil {
		f.proxy.resize()
	}
}

// wait waits for the process's end, and for the last of its output.
func (f *foreground) wait(p conmon.Process, all bool) (int, error) {
	code, err := reap(p, all)
	if f.proxy != nil {
		f.proxy.drain()
	}
	return code, err
}

// Close gives the caller's terminal back.
func (f *foreground) Close() {
	if f.signals != nil {
		signal.Stop(f.signals)
		close(f.signals)
	}
	if f.proxy != nil {
		f.proxy.Close()
	}
	if f.terminal != nil {
		f.terminal.Close()
	}
}
