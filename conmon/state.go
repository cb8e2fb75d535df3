// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"os"
	"time"
)

// Exit is how a process ended.
type Exit struct {
	Code     int    // exit code; 128 + Signal when a signal ended it
	Signal   int    // 0: it exited by itself
	OOMKills uint32 // how often the OOM killer struck in the container's cgroup
	Time     time.Time
}

// Event is something that happened to a container.
type Event interface{ event() }

// EventExit says that a container exited.
type EventExit struct {
	ID string
	Exit
}

func (EventExit) event() {}

// Status is the state of a container in the monitor.
type Status int

// The states, in their order.
const (
	Creating Status = stateCreating // runs its plan
	Created  Status = stateCreated  // stands before its exec
	Running  Status = stateRunning
	Exited   Status = stateExited
)

// State is what the monitor knows of one container or exec.
type State struct {
	ID        string
	Exec      bool // an exec, not a container
	Status    Status
	Pid       int
	Pidfd     *os.File  // nil when exited; the caller closes it
	StartedAt time.Time // zero before the start
	Exit      Exit      // when Exited
	Dropped   uint64    // bytes of output that the log could not take
}
