// SPDX-License-Identifier: Apache-2.0

package job

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"
)

var (
	// ErrLeft: the caller's context ended before the work did. The work goes on; asking again joins it.
	ErrLeft = errors.New("the work goes on, ask again")
	// ErrOverdue: the work did not end within its own deadline, and does not react to the end of its context.
	ErrOverdue = errors.New("the work is stuck")
	// ErrClosed: the group takes no more work.
	ErrClosed = errors.New("no more work is taken")
	// ErrPanic: the work ended in a panic.
	ErrPanic = errors.New("panic")
)

// overdueGrace is how long callers wait for work to end after its context has.
const overdueGrace = 10 * time.Second

// Group holds the jobs of one kind.
type Group[T any] struct {
	ctx     context.Context
	timeout time.Duration
	wg      sync.WaitGroup

	mu     sync.Mutex // guards closed and jobs
	closed bool
	jobs   map[string]*running[T]
}

type running[T any] struct {
	task *Task
	done chan struct{} // closed when value and err are set
	// overdue is closed when the work has not ended in time.
	overdue chan struct{}
	value   T
	err     error
}

// NewGroup returns a group whose work runs under ctx for at most timeout.
func NewGroup[T any](ctx context.Context, timeout time.Duration) *Group[T] {
	return &Group[T]{ctx: ctx, timeout: timeout, jobs: map[string]*running[T]{}}
}

// Request is a piece of work.
type Request[T any] struct {
	Key string
	// Lookup, when not nil, finds the result of work with the same key that has ended. It must be quick: it is called
	// with the group's lock held.
	Lookup func() (T, bool)
	Work   func(*Task) (T, error)
}

// Do joins the work that runs under r.Key, or finds its result, or starts it; then waits for it until ctx ends.
func (g *Group[T]) Do(ctx context.Context, r Request[T]) (T, error) {
	j, found, err := g.join(r)
	if err != nil || j == nil {
		return found, err
	}
	var zero T
	select {
	case <-j.done:
		return j.value, j.err
	case <-j.overdue:
		return zero, fmt.Errorf("%s: %w (%w)", j.task.status(time.Now()), ErrOverdue, context.DeadlineExceeded)
	case <-ctx.Done():
		return zero, fmt.Errorf("%s: %w (%w)", j.task.status(time.Now()), ErrLeft, ctx.Err())
	}
}

// join returns the running job, or a nil job and the result that Lookup found.
func (g *Group[T]) join(r Request[T]) (*running[T], T, error) {
	var zero T
	g.mu.Lock()
	defer g.mu.Unlock()
	if j, ok := g.jobs[r.Key]; ok {
		return j, zero, nil
	}
	if r.Lookup != nil {
		if v, ok := r.Lookup(); ok {
			return nil, v, nil
		}
	}
	if g.closed || g.ctx.Err() != nil {
		return nil, zero, ErrClosed
	}
	return g.start(r), zero, nil
}

// start runs the work in its own goroutine. The caller holds g.mu.
func (g *Group[T]) start(r Request[T]) *running[T] {
	ctx, cancel := context.WithTimeout(g.ctx, g.timeout)
	j := &running[T]{
		task:    &Task{ctx: ctx, key: r.Key, started: time.Now()},
		done:    make(chan struct{}),
		overdue: make(chan struct{}),
	}
	j.task.Stage("begin")
	g.jobs[r.Key] = j
	timer := time.AfterFunc(g.timeout+overdueGrace, func() { close(j.overdue) })
	g.wg.Add(1)
	go func() {
		defer g.wg.Done()
		defer cancel()
		j.value, j.err = call(j.task, r.Work)
		timer.Stop()
		g.mu.Lock()
		delete(g.jobs, r.Key)
		g.mu.Unlock()
		close(j.done)
	}()
	return j
}

// call keeps a panic in one pod's work from taking the whole node's daemon down.
func call[T any](t *Task, work func(*Task) (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: %w: %v", t.status(time.Now()), ErrPanic, p)
		}
	}()
	return work(t)
}

// Running lists the jobs under way, longest first.
func (g *Group[T]) Running() []Status {
	now := time.Now()
	g.mu.Lock()
	out := make([]Status, 0, len(g.jobs))
	for _, j := range g.jobs {
		out = append(out, j.task.status(now))
	}
	g.mu.Unlock()
	sort.Slice(out, func(a, b int) bool { return out[a].Running > out[b].Running })
	return out
}

// Close takes no more work and waits for what runs until ctx ends. It does not end the work: the owner of the group's
// context does.
func (g *Group[T]) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	ended := make(chan struct{})
	go func() { g.wg.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %d jobs: %w", len(g.Running()), ctx.Err())
	}
}
