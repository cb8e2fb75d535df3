// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// Client is a connection to a monitor. It is safe for concurrent use.
//
// One goroutine reads the socket and never waits for anybody else; one hands the events to the caller in the caller's time; one waits for the
// end of the monitor's process, to reap it if it is our child. All three end with the monitor or with Close.
type Client struct {
	conn    *conn
	events  chan Event
	closing chan struct{} // closed by Close
	ended   chan struct{} // closed when the reader has ended
	exited  chan struct{} // closed when the monitor's process is gone
	running sync.WaitGroup

	writing sync.Mutex // one message at a time into conn, with its deadline

	mu      sync.Mutex // guards everything below
	pid     int
	pidfd   *os.File
	seq     uint32
	calls   map[uint32]*call
	execs   map[string]*Exec      // whose exit is still to come
	plans   map[string]*plan.Plan // of containers between Create and StartContainer, for the words of a failing step
	dropped map[string]bool       // containers and execs whose caller has gone: kill, then forget
	queue   []Event
	wake    chan struct{} // has room for one: there is something in queue
	err     error         // why the reader ended
	closed  bool
}

func newClient(conn *conn) *Client {
	c := &Client{
		conn: conn, events: make(chan Event), wake: make(chan struct{}, 1),
		closing: make(chan struct{}), ended: make(chan struct{}), exited: make(chan struct{}),
		calls: map[uint32]*call{}, execs: map[string]*Exec{}, plans: map[string]*plan.Plan{}, dropped: map[string]bool{},
	}
	c.running.Go(c.read)
	c.running.Go(c.deliver)
	return c
}

// hello introduces us, and learns whom we talk to.
func (c *Client) hello(ctx context.Context) error {
	r, err := c.do(ctx, request{message: message{Type: msgHello, Flags: fSubscribe, Code: plan.Version}})
	if err != nil {
		return err
	}
	if r.Code != plan.Version || len(r.files) != 1 {
		r.close()
		return fmt.Errorf("version %d, %d files: %w", r.Code, len(r.files), ErrProtocol)
	}
	c.mu.Lock()
	c.pid, c.pidfd = int(r.Pid), r.files[0]
	c.mu.Unlock()
	c.running.Go(c.reap)
	return nil
}

// Pid returns the process ID of the monitor.
func (c *Client) Pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

// Events returns the exits of containers (not of execs). It is closed when the monitor is gone or the Client closed; then Err says why.
func (c *Client) Events() <-chan Event { return c.events }

// Err returns why Events was closed: ErrGone or ErrClosed.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close closes the connection and waits for the Client's goroutines. The monitor and its containers go on; if the monitor ends later
// and is a child of this process, the next Client of it reaps it.
func (c *Client) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	if !first {
		c.running.Wait()
		return nil
	}
	close(c.closing)
	err := c.conn.Close()
	if c.pidfd != nil {
		c.pidfd.Close()
	}
	c.running.Wait()
	return err
}

// reap waits until the monitor's process is gone.
func (c *Client) reap() {
	raw, err := c.pidfd.SyscallConn()
	if err != nil {
		return
	}
	gone := false
	_ = raw.Read(func(fd uintptr) bool { // fails when Close closes the pidfd
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(p, 0); n == 0 || err != nil {
			return false
		}
		_ = unix.Waitid(unix.P_PIDFD, int(fd), nil, unix.WEXITED|unix.WNOHANG, nil) // ECHILD: not our child
		gone = true
		return true
	})
	if gone {
		close(c.exited)
	}
}

// deliver hands queued events to the caller, who may be slow or absent.
func (c *Client) deliver() {
	defer close(c.events)
	for {
		c.mu.Lock()
		queue := c.queue
		c.queue = nil
		c.mu.Unlock()
		for _, e := range queue {
			select {
			case c.events <- e:
			case <-c.closing:
				return
			}
		}
		if len(queue) > 0 {
			continue
		}
		select {
		case <-c.wake:
		case <-c.closing:
			return
		case <-c.ended:
			c.mu.Lock()
			done := len(c.queue) == 0
			c.mu.Unlock()
			if done {
				return
			}
		}
	}
}

// Shutdown ends the monitor and waits until it is gone. While containers live it is refused with EBUSY, unless force: then they are killed.
func (c *Client) Shutdown(ctx context.Context, force bool) error {
	m := message{Type: msgShutdown}
	if force {
		m.Flags = fForce
	}
	if err := c.simple(ctx, m, nil); err != nil && !errors.Is(err, ErrGone) {
		return fmt.Errorf("shut the monitor down: %w", err)
	}
	select {
	case <-c.exited:
		return nil
	case <-c.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
