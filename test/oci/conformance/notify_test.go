// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// struct seccomp_notif and seccomp_notif_resp of linux/seccomp.h.
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	data  [64]byte
}

type response struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

const (
	ioctlNotifyReceive = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
	ioctlNotifySend    = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
)

// answerOne waits for a call that the filter stops, and gives it an error.
func answerOne(fd int, number int32) error {
	polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for end := time.Now().Add(patience); ; {
		n, err := unix.Poll(polled, 100)
		if n > 0 {
			break
		}
		if err != nil && err != unix.EINTR || time.Now().After(end) {
			return fmt.Errorf("no call is told (%w)", err)
		}
	}
	var got notification
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlNotifyReceive, uintptr(unsafe.Pointer(&got))); e != 0 {
		return fmt.Errorf("receive: %w", e)
	}
	answer := response{id: got.id, error: number}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlNotifySend, uintptr(unsafe.Pointer(&answer))); e != 0 {
		return fmt.Errorf("send: %w", e)
	}
	return nil
}
