// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"os"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// A halt is where the process of a plan waits for us, right before it enters its root file system: it has its namespaces and its mounts
// then, and the host's files still in sight.
//
//	the process                          us
//	  | one byte ──────────────────────▶ | SCM_CREDENTIALS: its pid, as we see it
//	  |                                  | the callback: what needs the namespaces to be there
//	  | ◀─────────────────── end of file | on an error: SIGKILL
type halt struct {
	ours, theirs *os.File
	done         chan struct{} // closed when err is there
	err          error
}

// newHalt makes a halt whose callback runs when the process has come to it. It wants finish.
func newHalt(ctx context.Context, at func(ctx context.Context, pid int) error) (*halt, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	h := &halt{
		ours: os.NewFile(uintptr(fds[0]), "halt"), theirs: os.NewFile(uintptr(fds[1]), "halt"),
		done: make(chan struct{}),
	}
	if err := unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		h.ours.Close()
		h.theirs.Close()
		return nil, os.NewSyscallError("setsockopt SO_PASSCRED", err)
	}
	go func() {
		defer close(h.done)
		h.err = serveHalt(ctx, fds[0], at)
	}()
	return h, nil
}

// serveHalt waits for the process, which may also end before it comes here.
func serveHalt(ctx context.Context, fd int, at func(ctx context.Context, pid int) error) error {
	pid, err := haltedPid(fd)
	if err != nil || pid == 0 {
		return err
	}
	if err := at(ctx, pid); err != nil {
		_ = unix.Kill(pid, unix.SIGKILL) // it waits for us, and for whoever made it to reap it: the pid is its
		return err
	}
	return os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_WR))
}

// haltedPid reads the byte that the process writes, and who it is; 0: it ended before.
func haltedPid(fd int) (int, error) {
	var b [1]byte
	oob := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	for {
		n, oobn, _, _, err := unix.Recvmsg(fd, b[:], oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECONNRESET):
			return 0, nil
		case err != nil:
			return 0, os.NewSyscallError("recvmsg", err)
		case n == 0:
			return 0, nil
		}
		return credentialPid(oob[:oobn])
	}
}

func credentialPid(oob []byte) (int, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) != 1 {
		return 0, fmt.Errorf("credentials of the halted process: %w", errors.Join(err, unix.EBADMSG))
	}
	c, err := unix.ParseUnixCredentials(&messages[0])
	if err != nil || c.Pid <= 0 { // 0: of a PID namespace that is not below ours
		return 0, fmt.Errorf("credentials of the halted process: %w", errors.Join(err, unix.ESRCH))
	}
	return int(c.Pid), nil
}

// finish waits for the callback, after the process was made or was not, and returns its error.
func (h *halt) finish() error {
	h.theirs.Close()
	<-h.done
	h.ours.Close()
	return h.err
}

// halt appends the steps of the halt, when there is one.
func (a *assembly) halt() {
	if a.halted == plan.NoReg {
		return
	}
	a.about("tell that the namespaces are there")
	a.step(plan.OpWrite).FD = a.halted
	a.plan.Steps[len(a.plan.Steps)-1].Blob = []byte{'h'}
	a.about("wait for the hooks")
	a.step(plan.OpWaitFd).FD = a.halted
	a.close(a.halted)
}
