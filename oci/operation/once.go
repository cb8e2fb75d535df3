// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"errors"
	"os"

	"crisp/conmon"
	"crisp/conmon/plan"
	"crisp/oci"

	"golang.org/x/sys/unix"
)

// once carries out each plan by an executor of its own, which exits when the process has been made: the process is then a child of
// this program. There is no monitor; a created container waits at a socket in its directory.
type once struct {
	container             *container
	stdin, stdout, stderr *os.File       // of what Create makes
	made                  conmon.Process // by the last call
	waits                 bool           // the caller reaps what Exec made
	notes                 map[int]string // the words for the steps that its process has still to carry out
}

var _ oci.Executor = (*once)(nil)

// subreaper makes this process the one that gets the children of its executors.
func subreaper(on bool) error {
	var v uintptr
	if on {
		v = 1
	}
	return os.NewSyscallError("prctl PR_SET_CHILD_SUBREAPER", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, v, 0, 0, 0))
}

// A standby is the executor that was started for the first plan, if any was. Each further plan has an executor started.
type standby struct{ executor *conmon.Standby }

// once carries a plan out.
func (s *standby) once(ctx context.Context, q conmon.ExecRequest) (conmon.Process, error) {
	e := s.executor
	if e == nil {
		return conmon.Once(ctx, q)
	}
	s.executor = nil
	return e.Once(ctx, q)
}

// StandBy has an executor start for the Create, Run or Exec that will follow. It takes a third of a millisecond, in which config.json is
// read, the cgroup made and the plan compiled. Close ends one that was not wanted.
func (r *Runtime) StandBy() error {
	e, err := conmon.StandBy()
	r.standby.executor = e
	return err
}

// Close ends what was started and not used.
func (r *Runtime) Close() {
	if e := r.standby.executor; e != nil {
		r.standby.executor = nil
		_ = e.Close()
	}
}

func (o *once) Create(ctx context.Context, q conmon.CreateRequest) (conmon.Process, error) {
	p, err := o.container.runtime.standby.once(ctx, conmon.ExecRequest{
		Plan: q.Plan, Files: q.Files, Stdin: o.stdin, Stdout: o.stdout, Stderr: o.stderr, TTY: q.TTY,
	})
	if err == nil {
		o.made, o.notes = p, notesBehindBarrier(q.Plan)
	}
	return p, err
}

// notesBehindBarrier are the words for steps of which only the start will know how they went.
func notesBehindBarrier(p *plan.Plan) map[int]string {
	var notes map[int]string
	for i := range p.Steps {
		switch {
		case p.Steps[i].Op == plan.OpBarrier:
			notes = map[int]string{}
		case notes != nil:
			notes[i] = p.Note(i)
		}
	}
	return notes
}

func (o *once) StartContainer(ctx context.Context, _ string) error {
	return o.container.proceed(ctx)
}

// proceed tells the process at its barrier to go on, and returns when it executes the workload.
func (c *container) proceed(ctx context.Context) error {
	conn, err := conmon.Dial(c.inside(startName))
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT) {
		return ErrStartRunning
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	err = conmon.Proceed(ctx, conn, c.Notes, nil)
	if errors.Is(err, conmon.ErrGone) {
		return ErrStartRunning // somebody else was first
	}
	return err
}

func (o *once) Exec(ctx context.Context, q conmon.ExecRequest) (*conmon.Exec, error) {
	p, err := o.container.runtime.standby.once(ctx, q)
	if err != nil {
		return nil, err
	}
	o.made = p
	if o.waits {
		return &conmon.Exec{ID: q.ID, Process: p}, nil
	}
	return conmon.Child(q.ID, p), nil
}

// List tells the container's first process, which is nobody's child here but remembered by the record.
func (o *once) List(context.Context) ([]conmon.State, error) {
	fd, err := o.container.pidfd()
	if errors.Is(err, ErrNotRunning) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []conmon.State{{ID: o.container.ID, Pid: o.container.Pid, Pidfd: os.NewFile(uintptr(fd), "pidfd")}}, nil
}
