// SPDX-License-Identifier: Apache-2.0

package criu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// Command says how criu is started.
type Command struct {
	Program               string // where it is
	Stdin, Stdout, Stderr *os.File
	// Files become descriptors FirstFD and up of criu's.
	Files []*os.File
}

// FirstFD is the descriptor of Command.Files[0]: 3 is the socket.
const FirstFD = 4

// A Process is a criu that serves this process.
type Process struct {
	Pid int

	cmd  *exec.Cmd
	conn *os.File
}

// Error is a request that criu could not carry out.
type Error struct {
	Type    Type
	Errno   int
	Message string
}

func (e *Error) Error() string {
	what := map[Type]string{Dump: "DUMP", Restore: "RESTORE", PreDump: "PRE_DUMP", FeatureCheck: "FEATURE_CHECK", Version: "VERSION"}[e.Type]
	s := fmt.Sprintf("criu failed: type %s errno %d", what, e.Errno)
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// ErrEnded: criu has gone without an answer.
var ErrEnded = errors.New("criu ended without an answer")

// Start starts criu, which waits for a request.
func Start(c Command) (*Process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	if err := unix.SetNonblock(pair[0], true); err != nil { // for deadlines; criu's end blocks
		unix.Close(pair[0])
		unix.Close(pair[1])
		return nil, os.NewSyscallError("fcntl", err)
	}
	conn, theirs := os.NewFile(uintptr(pair[0]), "criu"), os.NewFile(uintptr(pair[1]), "criu")
	defer theirs.Close()
	cmd := exec.Command(c.Program, "swrk", "3")
	if c.Stdin != nil {
		cmd.Stdin = c.Stdin
	}
	if c.Stdout != nil {
		cmd.Stdout = c.Stdout
	}
	if c.Stderr != nil {
		cmd.Stderr = c.Stderr
	}
	cmd.ExtraFiles = append([]*os.File{theirs}, c.Files...)
	if err := cmd.Start(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("start criu: %w", err)
	}
	return &Process{Pid: cmd.Process.Pid, cmd: cmd, conn: conn}, nil
}

// Notification is a point that criu has come to. Files are the receiver's to close.
type Notification struct {
	Name  string
	Pid   int
	Files []*os.File
}

// Do sends a request and returns the last response. notify, if there is one, is called for each notification; on its error criu is told to give
// up. When ctx ends, criu is killed.
func (p *Process) Do(ctx context.Context, q Request, notified func(Notification) error) (Response, error) {
	stop := context.AfterFunc(ctx, func() { _ = p.conn.SetDeadline(time.Now()) })
	defer stop()
	r, err := p.do(q, notified)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_ = p.cmd.Process.Kill()
		err = ctx.Err()
	}
	return r, err
}

func (p *Process) do(q Request, notified func(Notification) error) (Response, error) {
	if err := p.send(&q); err != nil {
		return Response{}, err
	}
	for {
		r, files, err := p.receive()
		if err != nil {
			return Response{}, err
		}
		if r.Type != notify {
			closeAll(files)
			if !r.Success {
				return r, &Error{r.Type, r.Errno, r.Message}
			}
			return r, nil
		}
		if err := p.answer(notified, Notification{r.Script, r.Pid, files}); err != nil {
			return Response{}, err
		}
	}
}

// answer has a notification taken, and tells criu how that went.
func (p *Process) answer(notified func(Notification) error, n Notification) error {
	var err error
	if notified != nil {
		err = notified(n)
	} else {
		closeAll(n.Files)
	}
	sendErr := p.send(&Request{Type: notify, success: err == nil})
	if err != nil {
		return err
	}
	return sendErr
}

func (p *Process) send(q *Request) error {
	_, err := p.conn.Write(q.encode())
	if errors.Is(err, unix.EPIPE) {
		return ErrEnded
	}
	return err
}

// maxResponse bounds a response; they have some hundred bytes.
const maxResponse = 64 << 10

func (p *Process) receive() (Response, []*os.File, error) {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return Response{}, nil, err
	}
	b, oob := make([]byte, maxResponse), make([]byte, unix.CmsgSpace(16*4))
	var n, oobn int
	var recvErr error
	err = raw.Read(func(fd uintptr) bool {
		n, oobn, _, _, recvErr = unix.Recvmsg(int(fd), b, oob, unix.MSG_CMSG_CLOEXEC)
		return recvErr != unix.EAGAIN && recvErr != unix.EINTR //nolint:errorlint // an errno as the kernel gives it
	})
	if err == nil {
		err = recvErr
	}
	switch {
	case err != nil && !errors.Is(err, unix.ECONNRESET):
		return Response{}, nil, err
	case err != nil, n == 0:
		return Response{}, nil, ErrEnded
	}
	files := takeFiles(oob[:oobn])
	r, err := decode(b[:n])
	if err != nil {
		closeAll(files)
		return Response{}, nil, err
	}
	return r, files, nil
}

func takeFiles(oob []byte) []*os.File {
	all, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var files []*os.File
	for i := range all {
		fds, err := unix.ParseUnixRights(&all[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "criu's"))
		}
	}
	return files
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// Wait closes the connection and waits for criu's end.
func (p *Process) Wait() error {
	p.conn.Close()
	return p.cmd.Wait()
}
