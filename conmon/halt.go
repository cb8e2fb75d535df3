// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Halt is where a child tells that it has come so far, with a file or without, and waits. Child goes along as a register's file.
//
//	h, err := NewHalt()
//	h.Serve(func(c Halted) error { … })
//	Create(… h.Child …)                    the plan: WRITE f=r "h", or SEND_FD f=file g=r; then WAIT_FD f=r
//	err = h.Finish()
//
//	the child                            us
//	  | a byte, or a file ─────────────▶ | SCM_CREDENTIALS: its pid, as we see it
//	  |                                  | the callback, which may Receive more files
//	  | ◀─────────────────── end of file | on an error of the callback: SIGKILL
type Halt struct {
	Child *os.File

	own  *os.File
	done chan struct{} // closed when err is there; nil: not served
	err  error
}

// Halted is what a child tells at a halt.
type Halted struct {
	Pid      int // of the child, as this process's PID namespace has it
	SentFile     // File is nil when it sent none
}

// NewHalt makes the two ends. It wants Finish.
func NewHalt() (*Halt, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	h := &Halt{own: os.NewFile(uintptr(fds[0]), "halt"), Child: os.NewFile(uintptr(fds[1]), "halt")}
	if err := unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		h.own.Close()
		h.Child.Close()
		return nil, os.NewSyscallError("setsockopt SO_PASSCRED", err)
	}
	return h, nil
}

// Serve waits in the background for the child, which may also end before it comes here, and lets it go on when at has returned. Files are
// the callback's. On its error the child is killed.
func (h *Halt) Serve(at func(Halted) error) {
	h.done = make(chan struct{})
	go func() {
		defer close(h.done)
		h.err = h.serve(at)
	}()
}

func (h *Halt) serve(at func(Halted) error) error {
	c, err := h.Receive()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = at(c)
	}
	if err != nil && c.Pid > 0 {
		_ = unix.Kill(c.Pid, unix.SIGKILL) // it waits for us, and for whoever made it to reap it: the pid is its
	}
	if err != nil {
		return err
	}
	return os.NewSyscallError("shutdown", unix.Shutdown(int(h.own.Fd()), unix.SHUT_WR))
}

// Finish waits for the callback, after the child was made or was not, and returns its error. One that is not served goes on.
func (h *Halt) Finish() error {
	h.Child.Close()
	if h.done != nil {
		<-h.done
	}
	h.own.Close()
	return h.err
}

// Receive takes what the child tells next. io.EOF: it has gone, or will tell nothing more; Child must have been closed here for that.
func (h *Halt) Receive() (Halted, error) {
	var m syncMessage
	n, oob, err := h.read(m.bytes())
	if err != nil {
		return Halted{}, err
	}
	c, err := readHalted(oob)
	file := c.File != nil
	switch {
	case err == nil && c.Pid <= 0: // 0: of a PID namespace that is not below ours
		err = unix.ESRCH
	case err == nil && file != (n == len(m.bytes()) && m.Kind == syncFd), err == nil && !file && n != 1:
		err = ErrProtocol
	}
	if err != nil {
		if file {
			c.File.Close()
		}
		return Halted{}, fmt.Errorf("halted child: %w", err)
	}
	if file {
		c.Kind = uint32(m.Op)
	}
	return c, nil
}

func (h *Halt) read(b []byte) (int, []byte, error) {
	oob := make([]byte, unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(int(h.own.Fd()), b, oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECONNRESET), err == nil && n == 0:
			return 0, nil, io.EOF
		case err != nil:
			return 0, nil, os.NewSyscallError("recvmsg", err)
		}
		return n, oob[:oobn], nil
	}
}

// readHalted takes the sender's pid and the one file, if there is one, out of control messages.
func readHalted(oob []byte) (Halted, error) {
	var c Halted
	all, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return c, err
	}
	for i := range all {
		if cred, err := unix.ParseUnixCredentials(&all[i]); err == nil {
			c.Pid = int(cred.Pid)
			continue
		}
		fds, err := unix.ParseUnixRights(&all[i])
		if err != nil {
			return c, err
		}
		for _, fd := range fds {
			if c.File != nil {
				c.File.Close()
			}
			c.File = os.NewFile(uintptr(fd), "child's")
		}
	}
	return c, nil
}

func (m *syncMessage) bytes() []byte { return (*[unsafe.Sizeof(*m)]byte)(unsafe.Pointer(m))[:] }
