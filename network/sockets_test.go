// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"testing"

	"golang.org/x/sys/unix"
)

// fullListener gives a function that listens on 127.0.0.1:80 with the shortest queue, and accepts nothing.
func fullListener(t *testing.T) func() error {
	return func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.Bind(fd, &unix.SockaddrInet4{Port: 80, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return err
		}
		return unix.Listen(fd, 0)
	}
}
