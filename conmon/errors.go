// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"errors"
	"fmt"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// Errors of starting and reaching a monitor.
var (
	// ErrNoBinary says that crisp-conmon was not built before the Go program that embeds it.
	ErrNoBinary = errors.New("crisp-conmon is not embedded: run make -C conmon, then build again")
	// ErrProtocol says that the peer does not speak this protocol.
	ErrProtocol = errors.New("not the monitor's protocol")
	// ErrGone says that the monitor is gone: its socket is closed.
	ErrGone = errors.New("monitor is gone")
	// ErrClosed says that this Client was closed.
	ErrClosed = errors.New("client is closed")
)

// Errors of requests.
var (
	// ErrUnknownID says that the monitor has no such container or exec.
	ErrUnknownID = errors.New("no such container in the monitor")
	// ErrState says that the container is not in the state that the call needs.
	ErrState = errors.New("wrong state")
	// ErrNoExit says that there is no exit record: the container did not exit under its monitor's eyes.
	ErrNoExit = errors.New("no exit record")
)

// StepError says why a process was not made or not started.
type StepError struct {
	Index int        // of the failing step; -1: no step failed, At says where it went wrong
	Op    plan.Op    // of the failing step
	Note  string     // the words of the plan for that step, "" when the plan is not at hand
	Errno unix.Errno // ESRCH when the child died
	At    string     // without a step: "plan", "clone", "join namespaces", …

	// Signal is what killed the child when At is "child died": SIGKILL as a rule from the OOM killer, SIGSYS from a seccomp filter.
	Signal unix.Signal
}

// Error returns "<note>: <op>: <errno>".
func (e *StepError) Error() string {
	if e.Signal != 0 {
		return fmt.Sprintf("%s: %s", e.At, unix.SignalName(e.Signal))
	}
	if e.Index < 0 {
		return fmt.Sprintf("%s: %s", e.At, e.Errno)
	}
	if e.Note == "" {
		return fmt.Sprintf("step %d: %s: %s", e.Index, e.Op, e.Errno)
	}
	return fmt.Sprintf("%s: %s: %s", e.Note, e.Op, e.Errno)
}

// Unwrap returns the errno.
func (e *StepError) Unwrap() error { return e.Errno }
