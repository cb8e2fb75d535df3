// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Kind is what happens.
type Kind string

// The kinds of faults.
const (
	None     Kind = "none"
	Break    Kind = "break"    // the connection is reset
	Truncate Kind = "truncate" // it ends in good order
	Flip     Kind = "flip"     // one bit is another
	Stall    Kind = "stall"    // nothing comes any more, until the client gives up
	Slow     Kind = "slow"     // from there on, a byte at a time for a while
)

// Kinds are all that are faults.
var Kinds = []Kind{Break, Truncate, Flip, Stall, Slow}

// Plan is one fault, at the byte At of what the server says, counted from 0 over all connections.
type Plan struct {
	Kind Kind
	At   int64
}

const (
	slowBytes = 64
	slowPause = 100 * time.Microsecond // a byte; what it does is to cut a message into as many pieces
)

// Proxy is a running one.
type Proxy struct {
	server   string
	plan     Plan
	listener net.Listener
	done     sync.WaitGroup

	// mu guards what follows.
	mu     sync.Mutex
	passed int64
	hit    bool
	open   map[net.Conn]bool
	closed bool
}

// Start starts a proxy on 127.0.0.1 in front of a server.
func Start(server string, plan Plan) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{server: server, plan: plan, listener: l, open: map[net.Conn]bool{}}
	p.done.Go(p.accept)
	return p, nil
}

// Addr is its HOST:PORT.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Passed is how many bytes the server has sent through it.
func (p *Proxy) Passed() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed
}

// Hit says whether the fault has happened.
func (p *Proxy) Hit() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hit
}

// Close ends all connections and waits for them.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.open {
		c.Close()
	}
	p.mu.Unlock()
	p.done.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			client.Close()
			continue
		}
		if !p.keep(client, server) {
			return
		}
		p.done.Go(func() {
			_, _ = io.Copy(server, client)
			server.Close() // the client has ended: so does the server's side
		})
		p.done.Go(func() {
			p.answer(client, server)
			p.forget(client, server)
		})
	}
}

// keep notes connections, for Close.
func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			c.Close()
		} else {
			p.open[c] = true
		}
	}
	return !p.closed
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(p.open, c)
	}
}

// answer passes on what the server says, up to the fault and beyond.
func (p *Proxy) answer(client, server net.Conn) {
	buf := make([]byte, 16<<10)
	for {
		n, err := server.Read(buf)
		if n > 0 && p.pass(client, buf[:n]) != nil {
			return
		}
		if err != nil {
			return
		}
	}
}

var errOver = errors.New("the fault has ended the connection")

func (p *Proxy) pass(client net.Conn, b []byte) error {
	at := p.count(len(b))
	if at < 0 {
		_, err := client.Write(b)
		return err
	}
	if p.plan.Kind == Flip {
		b[at] ^= 1 << (p.plan.At % 8)
		_, err := client.Write(b)
		return err
	}
	if _, err := client.Write(b[:at]); err != nil {
		return err
	}
	switch p.plan.Kind {
	case Slow:
		return slowly(client, b[at:])
	case Stall:
		_, _ = client.Read(make([]byte, 1)) // nobody says anything more on it; the client's end ends it
	case Break:
		if c, ok := client.(*net.TCPConn); ok {
			_ = c.SetLinger(0) // its close is a reset
		}
	}
	return errOver
}

// count adds to the bytes passed and says where in these the fault is; -1 for none.
func (p *Proxy) count(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.plan.At - p.passed
	p.passed += int64(n)
	if p.plan.Kind == None || p.hit || at < 0 || at >= int64(n) {
		return -1
	}
	p.hit = true
	return int(at)
}

func slowly(w io.Writer, b []byte) error {
	for i := range min(len(b), slowBytes) {
		if _, err := w.Write(b[i : i+1]); err != nil {
			return err
		}
		time.Sleep(slowPause)
	}
	if len(b) <= slowBytes {
		return nil
	}
	_, err := w.Write(b[slowBytes:])
	return err
}
