// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A notifier passes on to systemd that the workload is ready (sd_notify(3)):
//
//	the workload                        us                                              systemd
//	  | READY=1 ─ /run/notify/notify.sock ▶ | READY=1, MAINPID=…, BARRIER=1 with a pipe ──▶ |
//	  |                                     | ◀────────────────────────── end of the pipe   |
//
// The socket is in the container's directory, which the workload sees read-only. Nothing of what the workload sends is passed on but this one fact: it
// is not to speak to systemd in the service's name.
type notifier struct {
	fd   int
	host string // systemd's socket
}

// Names of the socket on the host, below the container's directory, and in the container.
const (
	notifyEnv    = "NOTIFY_SOCKET"
	notifyDir    = "notify"
	notifyName   = "notify.sock"
	notifyInside = "/run/notify"
)

// tellNotify gives the workload a socket, when systemd has given us one.
func (c *container) tellNotify(s *specs.Spec) error {
	if os.Getenv(notifyEnv) == "" {
		return nil
	}
	if err := unix.Mkdirat(int(c.dir.Fd()), notifyDir, 0o755); err != nil {
		return &os.PathError{Op: "mkdir", Path: c.dir.Name() + "/" + notifyDir, Err: err}
	}
	s.Mounts = append(s.Mounts, specs.Mount{
		Destination: notifyInside, Type: "bind", Source: c.dir.Name() + "/" + notifyDir,
		Options: []string{"bind", "nosuid", "noexec", "nodev", "ro"},
	})
	s.Process.Env = append(s.Process.Env, notifyEnv+"="+notifyInside+"/"+notifyName)
	return nil
}

// listenNotify makes the socket; nil when systemd has given us none, or had not when the container was created.
func (c *container) listenNotify() (*notifier, error) {
	host := os.Getenv(notifyEnv)
	if host == "" {
		return nil, nil
	}
	if err := unix.Faccessat(int(c.dir.Fd()), notifyDir, unix.F_OK, 0); errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	n := &notifier{fd, host}
	name := notifyDir + "/" + notifyName
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: c.inside(name)}); err == nil {
		err = unix.Fchmodat(int(c.dir.Fd()), name, 0o777, 0)
	}
	if err != nil {
		n.Close()
		return nil, fmt.Errorf("%s: %w", notifyName, err)
	}
	return n, nil
}

func (n *notifier) Close() {
	if n != nil {
		unix.Close(n.fd)
	}
}

// wait waits until the workload is ready, and tells systemd, with the pid that stands for the service. The end of the container is no error.
func (n *notifier) wait(main, pidfd int) error {
	fds := []unix.PollFd{{Fd: int32(n.fd), Events: unix.POLLIN}, {Fd: int32(pidfd), Events: unix.POLLIN}}
	message := make([]byte, 4096)
	for {
		if _, err := unix.Poll(fds, -1); errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			return os.NewSyscallError("poll", err)
		}
		if fds[0].Revents == 0 {
			return nil
		}
		size, _, err := unix.Recvfrom(n.fd, message, unix.MSG_DONTWAIT)
		if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("recvfrom", err)
		}
		if err == nil && isReady(message[:size]) {
			return n.tell(main)
		}
	}
}

// isReady reads a message: lines VARIABLE=value.
func isReady(message []byte) bool {
	for line := range bytes.SplitSeq(message, []byte{'\n'}) {
		if string(line) == "READY=1" {
			return true
		}
	}
	return false
}

// barrierTime bounds the wait for systemd, which may be too old to know barriers.
const barrierTime = 30 * time.Second

// tell tells systemd, and waits until it has understood: it would not know us any more after our end.
func (n *notifier) tell(main int) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: n.host}); err != nil {
		return fmt.Errorf("%s %s: %w", notifyEnv, n.host, err)
	}
	for _, m := range []string{"READY=1\n", "MAINPID=" + strconv.Itoa(main) + "\n"} {
		if err := unix.Send(fd, []byte(m), unix.MSG_NOSIGNAL); err != nil {
			return fmt.Errorf("%s %s: %w", notifyEnv, n.host, err)
		}
	}
	return barrier(fd)
}

func barrier(fd int) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	err = unix.Sendmsg(fd, []byte("BARRIER=1"), unix.UnixRights(int(w.Fd())), nil, unix.MSG_NOSIGNAL)
	w.Close()
	if err != nil {
		return os.NewSyscallError("sendmsg", err)
	}
	if err := r.SetReadDeadline(time.Now().Add(barrierTime)); err != nil {
		return err
	}
	_, _ = r.Read(make([]byte, 1)) // its end, or the deadline
	return nil
}
