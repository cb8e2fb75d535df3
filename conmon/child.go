// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Child makes an Exec of a process of Once, so that it can be waited for as one of a monitor. The process is reaped here, by nobody else.
func Child(id string, p Process) *Exec {
	e := &Exec{Process: p, ID: id, done: make(chan struct{})}
	go func() { e.finish(reapChild(p.Pid)) }()
	return e
}

// reapChild waits for the exit of a child.
func reapChild(pid int) (Exit, error) {
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(pid, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return Exit{}, os.NewSyscallError("wait4", err)
		}
		return childExit(status), nil
	}
}

func childExit(status unix.WaitStatus) Exit {
	x := Exit{Code: status.ExitStatus(), Time: time.Now()}
	if status.Signaled() {
		x.Signal = int(status.Signal())
		x.Code = 128 + x.Signal
	}
	return x
}
