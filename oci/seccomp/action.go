// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// An action is what the program returns for a call: SECCOMP_RET_* with 16 bits of data.
type action uint32

const (
	actionKill   action = unix.SECCOMP_RET_KILL_THREAD
	actionNoSys  action = unix.SECCOMP_RET_ERRNO | action(unix.ENOSYS)
	maxErrno            = 4095 // MAX_ERRNO in include/linux/err.h: the kernel caps what is above
	maxTraceData        = unix.SECCOMP_RET_DATA
)

// newAction translates an action of a profile. errnoRet counts for ERRNO and TRACE only, where its default is EPERM.
func newAction(name specs.LinuxSeccompAction, errnoRet *uint) (action, error) {
	switch name {
	case specs.ActKill, specs.ActKillThread:
		return actionKill, nil
	case specs.ActKillProcess:
		return unix.SECCOMP_RET_KILL_PROCESS, nil
	case specs.ActTrap:
		return unix.SECCOMP_RET_TRAP, nil
	case specs.ActErrno:
		return withData(unix.SECCOMP_RET_ERRNO, errnoRet, maxErrno)
	case specs.ActTrace:
		return withData(unix.SECCOMP_RET_TRACE, errnoRet, maxTraceData)
	case specs.ActAllow:
		return unix.SECCOMP_RET_ALLOW, nil
	case specs.ActLog:
		return unix.SECCOMP_RET_LOG, nil
	case specs.ActNotify:
		return unix.SECCOMP_RET_USER_NOTIF, nil
	}
	return 0, fmt.Errorf("%w: action %q", ErrInvalid, name)
}

// withData refuses what does not fit: cut to 16 bits, 65536 would become errno 0, a call that seems to succeed.
func withData(a action, errnoRet *uint, limit uint) (action, error) {
	data := uint(unix.EPERM)
	if errnoRet != nil {
		data = *errnoRet
	}
	if data > limit {
		return 0, fmt.Errorf("%w: errnoRet %d is over %d", ErrInvalid, data, limit)
	}
	return a | action(data), nil
}

// permits says whether the call, or someone who decides about it, goes on.
func (a action) permits() bool {
	switch a & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_LOG, unix.SECCOMP_RET_TRACE, unix.SECCOMP_RET_USER_NOTIF:
		return true
	}
	return false
}

// letsUnknownPass says whether, as the default action, it leaves new syscalls to the kernel or to a tracer, who can tell
// which of them exist. Then no ENOSYS of ours may come before it.
func (a action) letsUnknownPass() bool {
	return a.permits() && a != unix.SECCOMP_RET_USER_NOTIF
}
