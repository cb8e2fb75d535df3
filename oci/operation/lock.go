// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockPatience bounds the wait for another command. It may run hooks, which bring their own timeouts.
const lockPatience = time.Minute

// lock takes the exclusive lock of a directory. waited says that somebody else had it before.
//
// flock(2) knows no timeout, hence the polling; nearly always the first try has it.
func lock(fd int) (waited bool, err error) {
	deadline := time.Now().Add(lockPatience)
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return waited, nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			return waited, os.NewSyscallError("flock", err)
		case time.Now().After(deadline):
			return true, ErrBusy
		}
		waited = true
		time.Sleep(pause)
	}
}

// locked says whether somebody holds the lock of a directory.
func locked(fd int) bool {
	if errors.Is(unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK) {
		return true
	}
	_ = unix.Flock(fd, unix.LOCK_UN)
	return false
}

func unlock(fd int) { _ = unix.Flock(fd, unix.LOCK_UN) }
