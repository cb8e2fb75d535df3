// SPDX-License-Identifier: Apache-2.0

package dbus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A Conn is a connection to a peer. It is one goroutine's.
type Conn struct {
	ctx     context.Context
	fd      int
	stop    func() bool
	serial  uint32
	in      []byte    // what was read and not yet parsed
	signals []Message // came while a reply was waited for
}

// maxSignals bounds those that wait: on a busy host a peer tells everybody about everything.
const maxSignals = 1 << 14

// Dial connects to the peer that listens at a path. All its calls end with ctx.
func Dial(ctx context.Context, path string) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	c := newConn(ctx, fd)
	if err := c.connect(path); err != nil {
		c.Close()
		return nil, err
	}
	if err := c.authenticate(); err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func newConn(ctx context.Context, fd int) *Conn {
	c := &Conn{ctx: ctx, fd: fd}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = unix.Shutdown(fd, unix.SHUT_RDWR) // wakes whoever reads or writes
	})
	c.stop = func() bool {
		if stop() {
			return true
		}
		<-ended // it has the fd
		return false
	}
	return c
}

// Close closes the connection.
func (c *Conn) Close() error {
	c.stop()
	return unix.Close(c.fd)
}

// connect waits a while in the kernel where the peer is behind with accepting: a Unix socket's connect(2) blocks for that, unless a signal comes.
func (c *Conn) connect(path string) error {
	for {
		err := unix.Connect(c.fd, &unix.SockaddrUnix{Name: path})
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return c.ended(&os.PathError{Op: "connect", Path: path, Err: err})
		}
		return nil
	}
}

// authenticate is the client's part of "Authentication Protocol" with the mechanism EXTERNAL: the kernel has told the peer who we are.
// No user ID is sent, as sd-bus does it too: in a user namespace we do not know the one that the peer sees.
//
//	client  \0 AUTH EXTERNAL, DATA, BEGIN, at once
//	server  DATA                                    an ID is not given
//	        OK guid                                 from here on messages
//
// A peer that is sd-bus has read BEGIN when it says OK. Sent later it might be read together with the first message, which sd-bus
// then leaves in its buffer until something else comes.
func (c *Conn) authenticate() error {
	if err := c.write([]byte("\x00AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")); err != nil {
		return err
	}
	word, err := c.line()
	if err == nil && word == "DATA" {
		word, err = c.line()
	}
	if err == nil && word != "OK" {
		err = fmt.Errorf("%w: %.60q", ErrAuth, word)
	}
	return err
}

// line reads the first word of a line.
func (c *Conn) line() (string, error) {
	const maxLine = 16384
	for {
		if i := bytes.Index(c.in, []byte("\r\n")); i >= 0 {
			word, _, _ := bytes.Cut(c.in[:i], []byte(" "))
			c.in = c.in[i+2:]
			return string(word), nil
		}
		if len(c.in) > maxLine {
			return "", ErrProtocol
		}
		if err := c.read(); err != nil {
			return "", err
		}
	}
}

// Call sends a call and waits for its reply. An answer that says it failed is an *Error. Signals that come meanwhile are kept.
func (c *Conn) Call(q Call) (Message, error) {
	c.serial++
	b, err := q.encode(c.serial)
	if err != nil {
		return Message{}, err
	}
	if err := c.write(b); err != nil {
		return Message{}, err
	}
	for {
		m, err := c.message()
		if err != nil {
			return Message{}, err
		}
		switch {
		case m.kind == typeSignal:
			if len(c.signals) == maxSignals {
				c.signals = c.signals[1:]
			}
			c.signals = append(c.signals, m)
		case (m.kind == typeReply || m.kind == typeError) && m.replySerial == c.serial:
			return m, m.err()
		}
	}
}

// Signal waits for the next signal.
func (c *Conn) Signal() (Message, error) {
	if len(c.signals) > 0 {
		m := c.signals[0]
		c.signals = c.signals[1:]
		return m, nil
	}
	for {
		m, err := c.message()
		if err != nil || m.kind == typeSignal {
			return m, err
		}
	}
}

// message reads one.
func (c *Conn) message() (Message, error) {
	for {
		if len(c.in) >= fixedSize {
			n, err := size(c.in)
			if err != nil {
				return Message{}, err
			}
			if len(c.in) >= n {
				m, err := parseMessage(c.in[:n:n])
				m.body = bytes.Clone(m.body)
				c.in = append(c.in[:0], c.in[n:]...)
				return m, err
			}
		}
		if err := c.read(); err != nil {
			return Message{}, err
		}
	}
}

// read reads what is there into c.in.
func (c *Conn) read() error {
	var buf [4096]byte
	for {
		n, err := unix.Read(c.fd, buf[:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil && !errors.Is(err, unix.ECONNRESET):
			return c.ended(os.NewSyscallError("read", err))
		case n <= 0:
			return c.ended(ErrClosed)
		}
		c.in = append(c.in, buf[:n]...)
		return nil
	}
}

func (c *Conn) write(b []byte) error {
	for len(b) > 0 {
		n, err := unix.SendmsgN(c.fd, b, nil, nil, unix.MSG_NOSIGNAL)
		switch {
		case err == unix.EINTR:
			continue
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET):
			return c.ended(ErrClosed)
		case err != nil:
			return c.ended(os.NewSyscallError("write", err))
		}
		b = b[n:]
	}
	return nil
}

// ended prefers the context's error: the connection was shut down because of it.
func (c *Conn) ended(err error) error {
	if ctxErr := context.Cause(c.ctx); ctxErr != nil {
		return ctxErr
	}
	return err
}
