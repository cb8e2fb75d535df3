// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of Open and of calls on a cgroup that is gone.
var (
	ErrNotFound = errors.New("no such cgroup")
	// ErrNone: the processes have no cgroup of their own, for want of rights.
	ErrNone = errors.New("no cgroup of its own")
)

// Errors of Create and Remove.
var (
	// ErrBusy: the cgroup has processes.
	ErrBusy = errors.New("cgroup in use")
	// ErrFrozen: the cgroup was there, and frozen: what is made in it would never run.
	ErrFrozen = errors.New("cgroup unexpectedly frozen")
	// ErrNoDriver: the path has the systemd driver's form "slice:prefix:name".
	ErrNoDriver = errors.New("a path for the systemd cgroup driver, which is not in use")
)

// Errors of Create and Set: the request asks for what this host's cgroups do not have, or contradicts itself.
var (
	ErrNoController = errors.New("cgroup controller not available")
	ErrInvalid      = errors.New("invalid resources")
	// ErrBelowUsage: the new memory limit is below what is used now, and checkBeforeUpdate was asked for.
	ErrBelowUsage = errors.New("memory limit below usage")
)

// A StuckProcess is one that did not die of SIGKILL.
type StuckProcess struct {
	Pid   int
	Name  string
	State string // letter of /proc/PID/stat: "D" is uninterruptible sleep
	Wchan string // the kernel function in which it sleeps
}

// A StuckError says which processes of a cgroup did not die or stop in time. It unwraps to the context's error.
type StuckError struct {
	Path      string
	Processes []StuckProcess
	Err       error
}

func (e *StuckError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cgroup %s: %v, %d processes left", e.Path, e.Err, len(e.Processes))
	for i, p := range e.Processes {
		if i == 8 {
			b.WriteString(" …")
			break
		}
		fmt.Fprintf(&b, "; pid %d (%s) state %s", p.Pid, p.Name, p.State)
		if p.Wchan != "" && p.Wchan != "0" {
			fmt.Fprintf(&b, " in %s", p.Wchan)
		}
	}
	return b.String()
}

func (e *StuckError) Unwrap() error { return e.Err }
