// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Halt is where a child hands over a file and waits: a SEND_FD step with a socket, and a WAIT_FD on the same register. Child goes
// along as that register's file, and is closed here when the child was made.
//
//	h, err := NewHalt()        plan: SEND_FD f=file g=r   WAIT_FD f=r
//	go Create(… h.Child …)
//	sent, pid, err := h.Receive(ctx)
//	…                          the child waits
//	h.Close()                  the child goes on
type Halt struct {
	Child *os.File

	own *net.UnixConn
}

// NewHalt makes the two ends.
func NewHalt() (*Halt, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	own, child := os.NewFile(uintptr(fds[0]), "halt"), os.NewFile(uintptr(fds[1]), "halt")
	defer own.Close() // FileConn makes a copy
	if err = unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		child.Close()
		return nil, os.NewSyscallError("SO_PASSCRED", err)
	}
	c, err := net.FileConn(own)
	if err != nil {
		child.Close()
		return nil, err
	}
	return &Halt{Child: child, own: c.(*net.UnixConn)}, nil
}

// Receive takes the file that the child sends, and the child's pid as this process's PID namespace has it. io.EOF: the child has
// gone, or will not send; Child must have been closed here for that.
func (h *Halt) Receive(ctx context.Context) (SentFile, int, error) {
	stop := context.AfterFunc(ctx, func() { _ = h.own.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var m syncMessage
	oob := make([]byte, unix.CmsgSpace(4)+unix.CmsgSpace(unix.SizeofUcred))
	n, oobn, _, _, err := h.own.ReadMsgUnix(m.bytes(), oob)
	switch {
	case ctx.Err() != nil:
		return SentFile{}, 0, ctx.Err()
	case err != nil && !errors.Is(err, unix.ECONNRESET):
		return SentFile{}, 0, err
	case err != nil, n == 0:
		return SentFile{}, 0, io.EOF
	}
	file, pid, err := sentFile(oob[:oobn])
	if err == nil && (n != len(m.bytes()) || m.Kind != syncFd || file == nil || pid <= 0) {
		err = ErrProtocol
	}
	if err != nil {
		if file != nil {
			file.Close()
		}
		return SentFile{}, 0, fmt.Errorf("file of the child: %w", err)
	}
	return SentFile{Kind: uint32(m.Op), File: file}, pid, nil
}

// Close lets the child go on.
func (h *Halt) Close() {
	h.Child.Close()
	h.own.Close()
}

// sentFile takes the one file and the sender's pid out of control messages.
func sentFile(oob []byte) (file *os.File, pid int, err error) {
	all, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, 0, err
	}
	for i := range all {
		if cred, err := unix.ParseUnixCredentials(&all[i]); err == nil {
			pid = int(cred.Pid)
			continue
		}
		fds, err := unix.ParseUnixRights(&all[i])
		if err != nil {
			return file, pid, err
		}
		for _, fd := range fds {
			if file != nil {
				file.Close()
			}
			file = os.NewFile(uintptr(fd), "child's")
		}
	}
	return file, pid, nil
}

func (m *syncMessage) bytes() []byte { return (*[unsafe.Sizeof(*m)]byte)(unsafe.Pointer(m))[:] }
