// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// Once makes one process without a monitor: an executor of its own carries the plan out, answers and ends. The process stands at the
// plan's barrier then, if it has one, which must have a socket of Listen as its register; else its exec has succeeded.
//
// The caller is a subreaper (PR_SET_CHILD_SUBREAPER), and waits for no child of unknown pid meanwhile: Once reaps the executor, and the process
// is the caller's child then, to be waited for. On error, a *StepError if the plan's fault, nothing is left. When ctx ends first, the
// process is killed.
func Once(ctx context.Context, r ExecRequest) (Process, error) {
	for i := range r.Plan.Steps {
		if s := &r.Plan.Steps[i]; s.Op == plan.OpBarrier && s.FD == plan.NoReg {
			return Process{}, fmt.Errorf("step %d: barrier without a socket: %w", i, unix.EINVAL)
		}
	}
	q, err := r.request(cmp.Or(r.ID, "once"))
	if err != nil {
		return Process{}, err
	}
	defer q.files[0].Close()
	a, err := once(ctx, &q)
	if err == nil {
		err = a.err()
	}
	if err != nil {
		return Process{}, withNote(err, r.Plan)
	}
	return a.process(r.TTY)
}

// once has an executor answer one request. The request waits in the socket before there is an executor.
func once(ctx context.Context, q *request) (reply, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return reply{}, os.NewSyscallError("socketpair", err)
	}
	own, theirs := os.NewFile(uintptr(pair[0]), "executor"), os.NewFile(uintptr(pair[1]), "executor")
	defer own.Close()
	defer theirs.Close()
	q.Nfds = uint32(len(q.files))
	oob, err := q.rights()
	if err == nil {
		err = unix.Sendmsg(pair[0], q.bytes(), oob, nil, unix.MSG_NOSIGNAL)
	}
	if err != nil {
		return reply{}, fmt.Errorf("message to the executor: %w", err)
	}
	pid, err := spawnOnce(pair[1])
	if err != nil {
		return reply{}, fmt.Errorf("start the executor: %w", err)
	}
	theirs.Close()
	stop := shutdownAfter(ctx, own) // it ends then, and its child with it
	a, err := receive(pair[0])
	if !stop() && err != nil {
		err = ctx.Err()
	} else if err != nil {
		err = fmt.Errorf("executor: %w", err)
	}
	own.Close() // should it still be there
	if waitErr := reapPid(pid); err == nil && waitErr != nil {
		a.close()
		err = fmt.Errorf("wait for the executor: %w", waitErr)
	}
	return a, err
}

// spawnOnce starts an executor with a connected socket. It opens /dev/null itself for what it lacks of 0, 1 and 2.
func spawnOnce(conn int) (int, error) {
	program, err := Binary()
	if err != nil {
		return 0, err
	}
	fd, err := rawFD(program)
	if err != nil {
		return 0, err
	}
	const none = ^uintptr(0)
	return syscall.ForkExec("/proc/self/fd/4", []string{"crisp-oci", "init"}, &syscall.ProcAttr{
		Env:   []string{},
		Files: []uintptr{none, none, 2, uintptr(conn), uintptr(fd)}, // it closes the last; as to why it is there, see spawn
	})
}

// shutdownAfter ends a connection when ctx ends. stop says whether it was in time to prevent that.
func shutdownAfter(ctx context.Context, conn *os.File) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		if raw, err := conn.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) }) // fails when it is closed already
		}
	})
}

func reapPid(pid int) error {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// receive takes one message from a blocking socket; ErrGone when there will be none.
func receive(fd int) (reply, error) {
	var r reply
	n, files, err := receiveInto(fd, r.bytes())
	r.files = files
	if err == nil && (n != len(r.bytes()) || int(r.Nfds) != len(files)) {
		err = ErrProtocol
	}
	if err != nil {
		r.close()
		return reply{}, err
	}
	return r, nil
}

// receiveInto takes one message, and the files that it brings, which are the caller's also on an error.
func receiveInto(fd int, b []byte) (int, []*os.File, error) {
	oob := make([]byte, unix.CmsgSpace(8*4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(fd, b, oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err == nil && n == 0, errors.Is(err, unix.ECONNRESET):
			return 0, nil, ErrGone
		case err != nil:
			return 0, nil, os.NewSyscallError("recvmsg", err)
		}
		files, err := takeFiles(oob[:oobn])
		return n, files, err
	}
}
