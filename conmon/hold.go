// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// A Holder is a process that does nothing but be there: an executor that gets no request. It ends with whoever made it, however that ends.
type Holder struct {
	Pid int

	once sync.Once
	conn int
	err  error
}

// Hold starts one.
func Hold() (*Holder, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	pid, err := spawnOnce(pair[1])
	unix.Close(pair[1])
	if err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("start a holder: %w", err)
	}
	return &Holder{Pid: pid, conn: pair[0]}, nil
}

// End ends it and waits until it is gone. Ending it twice is no error.
func (h *Holder) End() error {
	h.once.Do(func() {
		_ = unix.Kill(h.Pid, unix.SIGKILL) // our child, and not reaped: the pid is its own; it may be stopped, or frozen
		unix.Close(h.conn)
		h.err = reapPid(h.Pid)
	})
	return h.err
}
