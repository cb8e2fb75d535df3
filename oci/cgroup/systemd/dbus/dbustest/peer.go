// SPDX-License-Identifier: Apache-2.0

// Package dbustest is a D-Bus peer for tests, made of github.com/godbus/dbus: what package dbus writes is read by another implementation.
package dbustest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// A Peer listens at Socket and answers calls.
type Peer struct {
	Socket string
	// Handle answers a call of a member. The error is a dbus.Error; nil with no values is an empty reply.
	Handle func(c *Client, member string, args []any) ([]any, error)

	t        testing.TB
	listener net.Listener
	running  sync.WaitGroup
	mu       sync.Mutex // guards clients
	clients  map[net.Conn]bool
}

// A Client is one connection to the peer.
type Client struct {
	peer *Peer
	conn net.Conn

	mu sync.Mutex // guards writes
}

// Listen starts a peer, which ends with the test.
func Listen(t testing.TB, handle func(c *Client, member string, args []any) ([]any, error)) *Peer {
	t.Helper()
	p := &Peer{Socket: filepath.Join(t.TempDir(), "private"), Handle: handle, t: t, clients: map[net.Conn]bool{}}
	l, err := net.Listen("unix", p.Socket)
	if err != nil {
		t.Fatal(err)
	}
	p.listener = l
	p.running.Go(p.accept)
	t.Cleanup(p.Close)
	return p
}

// Close ends the peer and its connections, if the test's end is too late for that.
func (p *Peer) Close() {
	p.listener.Close()
	p.mu.Lock()
	for c := range p.clients {
		c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

func (p *Peer) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.clients[conn] = true
		p.mu.Unlock()
		p.running.Go(func() {
			defer conn.Close()
			if err := p.serve(conn); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrUnexpectedEOF) {
				p.t.Log("dbustest:", err)
			}
		})
	}
}

func (p *Peer) serve(conn net.Conn) error {
	r := bufio.NewReader(conn)
	if b, err := r.ReadByte(); err != nil || b != 0 {
		return errors.Join(err, errors.New("no NUL first"))
	}
	for _, step := range [][2]string{{"AUTH EXTERNAL", "DATA\r\n"}, {"DATA", "OK 0123456789abcdef0123456789abcdef\r\n"}, {"BEGIN", ""}} {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.TrimSpace(line) != step[0] {
			return errors.New("unexpected " + line)
		}
		if _, err := io.WriteString(conn, step[1]); err != nil {
			return err
		}
	}
	c := &Client{peer: p, conn: conn}
	for {
		m, err := dbus.DecodeMessage(r)
		if err != nil {
			return err
		}
		if err := c.answer(m); err != nil {
			return err
		}
	}
}

func (c *Client) answer(m *dbus.Message) error {
	if err := m.IsValid(); err != nil {
		return err
	}
	member, _ := m.Headers[dbus.FieldMember].Value().(string)
	values, err := c.peer.Handle(c, member, m.Body)
	reply := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{}}
	if err != nil {
		var e dbus.Error
		if !errors.As(err, &e) {
			return err // the connection ends
		}
		reply.Type, values = dbus.TypeError, e.Body
		reply.Headers[dbus.FieldErrorName] = dbus.MakeVariant(e.Name)
	}
	reply.Headers[dbus.FieldReplySerial] = dbus.MakeVariant(m.Serial())
	return c.send(reply, values)
}

// Signal sends a signal of systemd's manager to this client.
func (c *Client) Signal(member string, values ...any) error {
	return c.send(&dbus.Message{Type: dbus.TypeSignal, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath:      dbus.MakeVariant(dbus.ObjectPath("/org/freedesktop/systemd1")),
		dbus.FieldInterface: dbus.MakeVariant("org.freedesktop.systemd1.Manager"),
		dbus.FieldMember:    dbus.MakeVariant(member),
	}}, values)
}

func (c *Client) send(m *dbus.Message, values []any) error {
	m.Body = values
	if len(values) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(values...))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return m.EncodeTo(c.conn, binary.LittleEndian)
}
