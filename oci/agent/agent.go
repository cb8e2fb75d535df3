// SPDX-License-Identifier: Apache-2.0

// Package agent hands the listener of a seccomp program to the agent that answers its notifications (seccomp_unotify(2), runtime-spec
// config-linux.md, "Seccomp"): one connection to a Unix stream socket for each process, one message with the process's state in JSON and the
// listener's descriptor by SCM_RIGHTS. Who takes the connection is left to the agent.
//
//	err := agent.Send(ctx, "/run/agent.sock", state, listener)
package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// A blocking call that waits for the agent comes back so often to look whether it still should, in milliseconds.
const patience = 100

// Send connects to the agent and sends it one message with a file. It waits for an agent that is busy until ctx ends.
func Send(ctx context.Context, path string, message []byte, file *os.File) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	again := unix.NsecToTimeval(patience * 1e6)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &again); err != nil { // connect(2) heeds it too
		return os.NewSyscallError("setsockopt SO_SNDTIMEO", err)
	}
	to, release, err := address(path)
	if err != nil {
		return err
	}
	defer release()
	if err := retry(ctx, func() error { return unix.Connect(fd, to) }); err != nil {
		return os.NewSyscallError("connect", err)
	}
	rights := unix.UnixRights(int(file.Fd()))
	for len(message) > 0 {
		err := retry(ctx, func() error {
			n, err := unix.SendmsgN(fd, message, rights, nil, unix.MSG_NOSIGNAL)
			if err == nil {
				message, rights = message[n:], nil
			}
			return err
		})
		if err != nil {
			return os.NewSyscallError("sendmsg", err)
		}
	}
	return nil
}

// retry makes a call until it has done something, or ctx has ended.
func retry(ctx context.Context, call func() error) error {
	for {
		err := call()
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// maxPath is how long a socket's path may be: sun_path without its NUL (unix(7)).
const maxPath = 107

// address names the socket, by the descriptor of its directory when its path is too long.
func address(path string) (_ *unix.SockaddrUnix, release func(), err error) {
	if len(path) <= maxPath {
		return &unix.SockaddrUnix{Name: path}, func() {}, nil
	}
	dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("connect", err)
	}
	return &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(dir) + "/" + filepath.Base(path)}, func() { unix.Close(dir) }, nil
}

// TakeListener takes a copy of the listener out of a process that waits. There is but one: a process has one at most, and no files but ours.
func TakeListener(pid int) (*os.File, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("listener of process %d: %w", pid, err)
	}
	defer unix.Close(pidfd)
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if link, err := os.Readlink(dir + "/" + f.Name()); err != nil || link != "anon_inode:seccomp notify" {
			continue
		}
		n, err := strconv.Atoi(f.Name())
		if err != nil {
			return nil, err
		}
		fd, err := unix.PidfdGetfd(pidfd, n, 0)
		if err != nil {
			return nil, fmt.Errorf("listener of process %d: %w", pid, os.NewSyscallError("pidfd_getfd", err))
		}
		return os.NewFile(uintptr(fd), "seccomp listener"), nil
	}
	return nil, fmt.Errorf("listener of process %d: %w", pid, os.ErrNotExist)
}
