// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAHolderEnds(t *testing.T) {
	h, err := Hold()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(h.Pid, 0); err != nil {
		t.Error("it is not there: ", err)
	}
	for range 2 {
		if err := h.End(); err != nil {
			t.Error(err)
		}
	}
	if err := unix.Kill(h.Pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Error("it is still there: ", err)
	}
}

// TestAHolderEndsWithItsMaker: nothing is left of it when its maker is killed, which closes the socket.
func TestAHolderEndsWithItsMaker(t *testing.T) {
	h, err := Hold()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(h.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	unix.Close(h.conn)
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(20*time.Second/time.Millisecond))
	if n != 1 || err != nil {
		t.Error("it goes on: ", err)
	}
	if err := reapPid(h.Pid); err != nil {
		t.Error(err)
	}
}
