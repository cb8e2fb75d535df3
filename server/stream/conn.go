// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// drainTime is how long a session goes on when its client is gone: input that has arrived still reaches the command.
const drainTime = time.Second

// conn is a client's connection. net/http gives up a connection that is upgraded and never tells its handler of the
// client's end (Request.Context stays alive), but the protocol above reads it all the time: what Read returns tells.
type conn struct {
	net.Conn
	ctx    context.Context // ends drainTime after the client has vanished, or with the server
	cancel context.CancelFunc
	drain  time.Duration
	once   sync.Once
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) { // net/http sets deadlines to take back a background read
		c.gone()
	}
	return n, err
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.gone()
	return c.Conn.Close()
}

// gone ends the session's context after a while.
func (c *conn) gone() {
	c.once.Do(func() { time.AfterFunc(c.drain, c.cancel) })
}

// listener accepts conns that live no longer than ctx, hijacked ones too.
type listener struct {
	net.Listener
	ctx   context.Context
	drain time.Duration
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, drain: l.drain}
	c.ctx, c.cancel = context.WithCancel(l.ctx)
	context.AfterFunc(c.ctx, func() { nc.Close() }) // the client is gone, or the server is: nothing is left to say
	return c, nil
}

// connKey is the key of a request's conn in its context.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}
