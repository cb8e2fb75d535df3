// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// terminalName is what travels with a terminal's master, as runc has it: the name of the file it was opened by.
const terminalName = "/dev/ptmx"

// A sink is a Unix socket of the caller's that wants one file: --console-socket and --pidfd-socket. It is connected before anything
// is made.
type sink struct{ fd int }

func dialSink(path string) (*sink, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := connectPath(fd, path); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("dial unix %s: connect: %w", path, err)
	}
	return &sink{fd}, nil
}

// connectPath connects to a socket with a path of any length.
func connectPath(fd int, path string) error {
	const fits = 107 // in sockaddr_un, with its NUL
	if len(path) <= fits {
		return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	}
	dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(dir) + "/" + filepath.Base(path)})
}

// send hands over a file, with its name as the message.
func (s *sink) send(f *os.File, name string) error {
	err := unix.Sendmsg(s.fd, []byte(name), unix.UnixRights(int(f.Fd())), nil, 0)
	return os.NewSyscallError("sendmsg", err)
}

func (s *sink) Close() {
	if s != nil {
		unix.Close(s.fd)
	}
}
