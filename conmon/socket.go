// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxSocketPath is what fits into sockaddr_un (unix(7)) with its NUL.
const maxSocketPath = 107

// withSocketPath calls use with a name of path that is short enough for a socket address.
func withSocketPath(path string, use func(short string) error) error {
	if len(path) <= maxSocketPath {
		return use(path)
	}
	fd, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: filepath.Dir(path), Err: err}
	}
	defer unix.Close(fd)
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", fd, filepath.Base(path)))
}

func newSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	return fd, nil
}

// listen binds the socket that a monitor will serve. A socket that is left from a dead monitor is replaced.
func listen(path string) (*os.File, error) {
	fd, err := newSocket()
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	err = unix.Fchmod(fd, 0o600) // bind(2) gives the socket's file this mode: there is no moment with another
	if err == nil {
		err = bind(fd, path)
	}
	if err == nil {
		err = unix.Listen(fd, 16)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	return f, nil
}

func bind(fd int, path string) error {
	return withSocketPath(path, func(short string) error {
		err := unix.Bind(fd, &unix.SockaddrUnix{Name: short})
		if !errors.Is(err, unix.EADDRINUSE) {
			return err
		}
		if c, dialErr := dial(path); !errors.Is(dialErr, unix.ECONNREFUSED) {
			if c != nil {
				c.Close()
			}
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrUnix{Name: short})
	})
}

// dial connects to a monitor's socket.
func dial(path string) (*conn, error) {
	fd, err := newSocket()
	if err != nil {
		return nil, err
	}
	err = withSocketPath(path, func(short string) error { return unix.Connect(fd, &unix.SockaddrUnix{Name: short}) })
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connect to %s: %w", path, err)
	}
	return newConn(fd, path)
}
