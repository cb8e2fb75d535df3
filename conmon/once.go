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
	s, err := StandBy()
	if err != nil {
		return Process{}, err
	}
	return s.Once(ctx, r)
}

// A Standby is an executor that is being started while its plan is made. It answers one Once; without one it ends with Close.
type Standby struct {
	conn    *os.File
	started chan struct{} // closed when pid and err are there
	pid     int
	err     error
}

// StandBy has an executor start.
func StandBy() (*Standby, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	s := &Standby{conn: os.NewFile(uintptr(pair[0]), "executor"), started: make(chan struct{})}
	go s.start(pair[1]) // it takes as long as the exec
	return s, nil
}

// start starts the executor with its end of the connection.
func (s *Standby) start(theirs int) {
	growStack()
	defer close(s.started)
	if s.pid, s.err = spawnOnce(theirs); s.err != nil {
		s.err = fmt.Errorf("start the executor: %w", s.err)
	}
	unix.Close(theirs)
}

// growStack has a new goroutine's stack grow to what ForkExec wants, while there is next to nothing on it: to move a stack the Go runtime
// looks up tables of each function that is on it, which is memory that nothing else wants.
//
//go:noinline
func growStack() byte {
	var room [6 << 10]byte
	return room[os.Getpid()%len(room)]
}

// Once is Once by this executor.
func (s *Standby) Once(ctx context.Context, r ExecRequest) (Process, error) {
	a, err := s.answer(ctx, &r)
	if err == nil {
		err = a.err()
	}
	if err != nil {
		return Process{}, withNote(err, r.Plan)
	}
	return a.process(r.TTY)
}

// answer sends the request, which may wait in the socket for the executor, and takes the answer.
func (s *Standby) answer(ctx context.Context, r *ExecRequest) (a reply, err error) {
	defer func() {
		closeErr := s.Close()
		switch {
		case s.err != nil: // what the socket says comes of that
			err = s.err
		case err == nil && closeErr != nil:
			a.close()
			err = closeErr
		}
	}()
	for i := range r.Plan.Steps {
		if t := &r.Plan.Steps[i]; t.Op == plan.OpBarrier && t.FD == plan.NoReg {
			return reply{}, fmt.Errorf("step %d: barrier without a socket: %w", i, unix.EINVAL)
		}
	}
	q, err := r.request(cmp.Or(r.ID, "once"))
	if err != nil {
		return reply{}, err
	}
	defer q.files[0].Close()
	q.Nfds = uint32(len(q.files))
	fd, err := rawFD(s.conn)
	if err != nil {
		return reply{}, err
	}
	oob, err := q.rights()
	if err == nil {
		err = unix.Sendmsg(fd, q.bytes(), oob, nil, unix.MSG_NOSIGNAL)
	}
	if err != nil {
		return reply{}, fmt.Errorf("message to the executor: %w", err)
	}
	stop := shutdownAfter(ctx, s.conn) // it ends then, and its child with it
	a, err = receive(fd)
	switch {
	case !stop() && err != nil:
		return a, ctx.Err()
	case err != nil:
		return a, fmt.Errorf("executor: %w", err)
	}
	return a, nil
}

// Close ends the executor, if it is still there, and with it the process of an answer that was not taken.
func (s *Standby) Close() error {
	s.conn.Close()
	<-s.started
	if s.err != nil {
		return s.err
	}
	if err := reapPid(s.pid); err != nil {
		return fmt.Errorf("wait for the executor: %w", err)
	}
	return nil
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
