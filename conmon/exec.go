// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// ExecRequest says what to execute.
type ExecRequest struct {
	ID    string // of the exec itself, "" for a random one
	Plan  *plan.Plan
	Files []*os.File // for the registers; stay the caller's
	// Stdin, Stdout and Stderr go straight into the process, which wants them blocking: they are made so. Nil is /dev/null; stay the caller's.
	Stdin, Stdout, Stderr *os.File
	TTY                   bool // the plan has a PTY step; the three files are not used
}

// Exec is a process that was made by Client.Exec.
type Exec struct {
	Process
	ID string

	client *Client
	done   chan struct{} // closed when exit and err are there
	exit   Exit
	err    error
}

func (e *Exec) finish(x Exit, err error) {
	e.exit, e.err = x, err
	close(e.done)
}

// Exec makes a process and returns when its exec has succeeded. When ctx ends first, the process is killed.
func (c *Client) Exec(ctx context.Context, r ExecRequest) (*Exec, error) {
	e := &Exec{ID: r.ID, client: c, done: make(chan struct{})}
	if e.ID == "" {
		e.ID = strconv.FormatUint(rand.Uint64(), 36) + strconv.FormatUint(rand.Uint64(), 36)
	}
	q, err := r.request(e.ID)
	if err != nil {
		return nil, err
	}
	defer q.files[0].Close()
	if err := c.expect(e); err != nil {
		return nil, err
	}
	a, err := c.do(ctx, q)
	if err == nil {
		e.Process, err = a.process(r.TTY)
	}
	if err != nil {
		c.unexpect(e)
		return nil, withNote(err, r.Plan)
	}
	return e, nil
}

// request makes the message. The first of its files is the caller's to close.
func (r *ExecRequest) request(id string) (request, error) {
	var stdio []optional
	if !r.TTY {
		stdio = []optional{{r.Stdin, fStdin}, {r.Stdout, fStdout}, {r.Stderr, fStderr}}
	}
	if err := setBlocking(stdio); err != nil {
		return request{}, fmt.Errorf("exec: %w", err)
	}
	q, err := assemble(msgExec, id, r.Plan, stdio, r.Files)
	if err != nil {
		return request{}, fmt.Errorf("exec: %w", err)
	}
	q.Flags |= flagIf(r.TTY, fTty)
	return q, nil
}

// setBlocking undoes what Go does to its pipes: most programs take EAGAIN from their stdout for an error.
func setBlocking(stdio []optional) error {
	for _, o := range stdio {
		if o.file == nil {
			continue
		}
		fd, err := rawFD(o.file)
		if err == nil {
			err = unix.SetNonblock(fd, false)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// expect registers an exec for its exit, which may come at once.
func (c *Client) expect(e *Exec) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if c.execs[e.ID] != nil {
		return fmt.Errorf("exec %s: %w", e.ID, unix.EEXIST)
	}
	c.execs[e.ID] = e
	return nil
}

func (c *Client) unexpect(e *Exec) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.execs[e.ID] == e {
		delete(c.execs, e.ID)
	}
}

// Wait waits for the exit of the process.
func (e *Exec) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-e.done:
		return e.exit, e.err
	case <-ctx.Done():
		return Exit{}, ctx.Err()
	}
}

// Resize sets the size of the terminal.
func (e *Exec) Resize(rows, cols uint16) error {
	if e.Console == nil {
		return fmt.Errorf("resize exec %s: %w", e.ID, unix.ENOTTY)
	}
	fd, err := rawFD(e.Console)
	if err != nil {
		return err
	}
	return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
}

// Signal sends a signal to the process.
func (e *Exec) Signal(sig unix.Signal) error {
	if err := unix.PidfdSendSignal(int(e.Pidfd.Fd()), sig, nil, 0); err != nil {
		return fmt.Errorf("signal exec %s: %w", e.ID, err)
	}
	return nil
}
