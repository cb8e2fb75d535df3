// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A conn is a connection to a monitor: messages with files. It is what net.UnixConn would be, without package net, whose start costs
// crisp-oci time and memory.
type conn struct {
	file *os.File
	raw  syscall.RawConn
}

// newConn takes over a socket that does not block.
func newConn(fd int, name string) (*conn, error) {
	f := os.NewFile(uintptr(fd), name)
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &conn{f, raw}, nil
}

// read takes one message. n is 0 when the peer has gone.
func (c *conn) read(b, oob []byte) (n, oobn int, err error) {
	waitErr := c.raw.Read(func(fd uintptr) bool {
		n, oobn, err = retry(func() (int, int, error) {
			n, oobn, _, _, err := unix.Recvmsg(int(fd), b, oob, unix.MSG_CMSG_CLOEXEC)
			return n, oobn, err
		})
		return !errors.Is(err, unix.EAGAIN)
	})
	if waitErr != nil {
		return 0, 0, waitErr
	}
	return n, oobn, err
}

// write sends one message.
func (c *conn) write(b, oob []byte) (err error) {
	waitErr := c.raw.Write(func(fd uintptr) bool {
		_, _, err = retry(func() (int, int, error) {
			return 0, 0, unix.Sendmsg(int(fd), b, oob, nil, unix.MSG_NOSIGNAL)
		})
		return !errors.Is(err, unix.EAGAIN)
	})
	if waitErr != nil {
		return waitErr
	}
	return err
}

// retry makes a call again that a signal has interrupted.
func retry(call func() (int, int, error)) (n, m int, err error) {
	for {
		if n, m, err = call(); !errors.Is(err, unix.EINTR) {
			return n, m, err
		}
	}
}

func (c *conn) setWriteDeadline(t time.Time) error { return c.file.SetWriteDeadline(t) }

// Close makes reads and writes return with os.ErrClosed.
func (c *conn) Close() error { return c.file.Close() }
