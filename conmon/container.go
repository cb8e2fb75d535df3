// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// CreateRequest says what to create.
type CreateRequest struct {
	ID    string // of the container, 71 bytes at most
	Plan  *plan.Plan
	Files []*os.File // for the registers 0, 1, …; stay the caller's
	// Log gets the CRI log (opened O_WRONLY|O_APPEND), ExitDir the exit record, and OOM is memory.events (v2) or
	// memory.oom_control (v1) of the container's cgroup. All may be nil, and stay the caller's.
	Log, ExitDir, OOM *os.File
	TTY               bool // the plan has a PTY step
	Stdin             bool // keep a pipe open as stdin
	StdinOnce         bool // and close it when the first attach with stdin ends
}

// Process is a process that was made. The caller closes its files.
type Process struct {
	Pid     int
	Pidfd   *os.File
	Console *os.File // the master of the terminal: of an exec with TTY only
	Sent    []SentFile
}

// SentFile is a descriptor that a SEND_FD step sent back.
type SentFile struct {
	Kind uint32 // argument a of the step
	File *os.File
}

// Close closes the files of the Process. It does not end it.
func (p *Process) Close() error {
	var errs []error
	for _, f := range []*os.File{p.Pidfd, p.Console} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	for _, s := range p.Sent {
		errs = append(errs, s.File.Close())
	}
	return errors.Join(errs...)
}

// optional is a file that may come with a request, and the flag that says that it does.
type optional struct {
	file *os.File
	flag uint32
}

// assemble makes a request from a plan, optional files and the registers' files. The first of its files is the caller's to close.
func assemble(kind uint32, id string, p *plan.Plan, optionals []optional, files []*os.File) (request, error) {
	r := request{message: message{Type: kind}}
	if id == "" || len(id) >= len(r.Id) {
		return r, fmt.Errorf("id %q: %w", id, unix.EINVAL)
	}
	r.setID(id)
	m, err := p.Memfd()
	if err != nil {
		return r, err
	}
	r.files = append(r.files, m)
	for _, o := range optionals {
		if o.file != nil {
			r.files = append(r.files, o.file)
			r.Flags |= o.flag
		}
	}
	r.files = append(r.files, files...)
	return r, nil
}

func flagIf(on bool, flag uint32) uint32 {
	if on {
		return flag
	}
	return 0
}

// Create makes a process that stands at its plan's BARRIER. On error, a *StepError if the plan's fault, nothing is left.
// When ctx ends first, the process is killed and forgotten.
func (c *Client) Create(ctx context.Context, r CreateRequest) (Process, error) {
	q, err := assemble(msgCreate, r.ID, r.Plan, []optional{{r.Log, fLog}, {r.ExitDir, fExitdir}, {r.OOM, fOom}}, r.Files)
	if err != nil {
		return Process{}, fmt.Errorf("create %s: %w", r.ID, err)
	}
	defer q.files[0].Close()
	q.Flags |= flagIf(r.TTY, fTty) | flagIf(r.Stdin, fStdin) | flagIf(r.StdinOnce, fStdinOnce)
	c.rememberPlan(r.ID, r.Plan)
	a, err := c.do(ctx, q)
	if err != nil {
		c.rememberPlan(r.ID, nil)
		return Process{}, withNote(err, r.Plan)
	}
	return a.process(false)
}

func (c *Client) rememberPlan(id string, p *plan.Plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p == nil {
		delete(c.plans, id)
	} else {
		c.plans[id] = p
	}
}

// withNote adds the plan's words to a StepError.
func withNote(err error, p *plan.Plan) error {
	var s *StepError
	if errors.As(err, &s) {
		s.Note = p.Note(s.Index)
	}
	return err
}

// process takes the files of an OK to CREATE or EXEC: the pidfd, the console of an exec, what steps sent.
func (r *reply) process(console bool) (Process, error) {
	want := 1
	if console {
		want = 2
	}
	sent := len(r.files) - want
	if sent < 0 || sent > len(r.SentKinds) {
		r.close()
		return Process{}, fmt.Errorf("%d files for process %d: %w", len(r.files), r.Pid, ErrProtocol)
	}
	p := Process{Pid: int(r.Pid), Pidfd: r.files[0]}
	if console {
		p.Console = r.files[1]
	}
	for i, f := range r.files[want:] {
		p.Sent = append(p.Sent, SentFile{Kind: r.SentKinds[i], File: f})
	}
	return p, nil
}

// about is a request about one container.
func about(kind uint32, id string) message {
	m := message{Type: kind}
	m.setID(id)
	return m
}

// StartContainer lets a created process go on to its exec. If that fails the error is a *StepError, and the container has exited with code 128.
func (c *Client) StartContainer(ctx context.Context, id string) error {
	c.mu.Lock()
	p := c.plans[id]
	c.mu.Unlock()
	err := c.simple(ctx, about(msgStart, id), nil)
	c.rememberPlan(id, nil)
	return withNote(err, p)
}

// Signal sends a signal to the first process of a container, or to an exec.
func (c *Client) Signal(ctx context.Context, id string, sig unix.Signal) error {
	m := about(msgSignal, id)
	m.Code = int32(sig)
	return c.simple(ctx, m, nil)
}

// Forget drops an exited container.
func (c *Client) Forget(ctx context.Context, id string) error {
	return c.simple(ctx, about(msgForget, id), nil)
}

// List returns what the monitor holds.
func (c *Client) List(ctx context.Context) ([]State, error) {
	r, err := c.do(ctx, request{message: message{Type: msgList}})
	return r.states, err
}

func (r *reply) state() State {
	s := State{
		ID: r.id(), Exec: r.Flags&fExec != 0, Status: Status(r.State), Pid: int(r.Pid), Dropped: r.Dropped,
	}
	if len(r.files) > 0 {
		s.Pidfd = r.files[0]
	}
	if r.Started != 0 {
		s.StartedAt = time.Unix(0, int64(r.Started))
	}
	if s.Status == Exited {
		s.Exit = r.exit()
	}
	return s
}
