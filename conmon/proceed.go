// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"context"
	"fmt"
	"os"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// Listen makes the socket of a barrier: its file goes to the child as a register and is the caller's to close. Once the child is told
// to proceed, or has ended, nobody listens any more.
func Listen(path string) (*os.File, error) {
	f, err := listen(path)
	if err != nil {
		return nil, err
	}
	fd, err := rawFD(f)
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Dial connects to the socket of a barrier. ECONNREFUSED, or ENOENT, says that nobody stands at it.
func Dial(path string) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	err = withSocketPath(path, func(short string) error { return unix.Connect(fd, &unix.SockaddrUnix{Name: short}) })
	if err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "connect", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Proceed lets a child that stands at a barrier with a socket go on, over a connection of Dial, and returns when its exec has succeeded.
// Otherwise the error is a *StepError, with the words for the failing step's index, and the child exits with 128. ErrGone: somebody
// else had it proceed, or it has ended. What steps send after the barrier goes to sent at once, which owns the file.
func Proceed(ctx context.Context, conn *os.File, notes map[int]string, sent func(SentFile)) error {
	fd, err := rawFD(conn)
	if err != nil {
		return err
	}
	if _, err := unix.SendmsgN(fd, []byte{0}, nil, nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("proceed: %w: %w", ErrGone, err)
	}
	stop := shutdownAfter(ctx, conn)
	err = follow(fd, notes, sent)
	if !stop() && err != nil {
		return ctx.Err()
	}
	return err
}

// follow reads what a child says until its exec or its end.
func follow(fd int, notes map[int]string, sent func(SentFile)) error {
	var failure *StepError
	for said, final := false, false; ; said = true {
		var m syncMessage
		n, files, err := receiveInto(fd, m.bytes())
		switch {
		case err == ErrGone && failure != nil:
			return failure
		case err == ErrGone && final:
			return nil
		case err == ErrGone && said:
			return &StepError{Index: -1, At: at(atChildDied), Errno: unix.ESRCH}
		case err == nil && n != len(m.bytes()):
			err = ErrProtocol
		}
		for _, f := range files {
			if err == nil && m.Kind == syncFd && sent != nil {
				sent(SentFile{Kind: uint32(m.Op), File: f})
			} else {
				f.Close()
			}
		}
		switch {
		case err != nil:
			return err
		case m.Kind == syncFail:
			failure = &StepError{Index: int(m.Step), Op: plan.Op(m.Op), Errno: unix.Errno(m.Err), Note: notes[int(m.Step)]}
		case m.Kind == syncFinal:
			final = true
		}
	}
}
