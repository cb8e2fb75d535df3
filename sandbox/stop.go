// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/oci"
)

const (
	// killRound is how long one attempt to kill all of a container's processes waits for their end.
	killRound = 10 * time.Second
	// exitWait is how long a monitor may take to tell of the exit of a process that is dead.
	exitWait = 3 * time.Second
	// killRetryMax bounds the pause between two attempts: a process in uninterruptible sleep (a dead NFS server) dies when it wakes up.
	killRetryMax = 30 * time.Second
)

// stopper is a container's stop: one goroutine of the daemon, however many calls ask for it. Calls only bring the deadline
// forward and wait for the exit.
//
//	no stop ──StopContainer(t)──▶ signalled, deadline now+t ──deadline or a shorter call──▶ killing ──▶ exited
//	                                    ▲      │                                              │   ▲
//	                                    └──────┘ another call: deadline = min                 └───┘ retried while processes are stuck
type stopper struct {
	mu       sync.Mutex // guards the fields below
	running  bool
	deadline time.Time
	sooner   chan struct{} // has room for one: the deadline has been brought forward
	stuck    error         // what the last attempt to kill said
	gaveUp   chan struct{} // closed after each attempt to kill that left processes, and replaced
}

// begin says whether the caller shall run the stop; else it has been told of the deadline. gaveUp is closed when the next attempt
// to kill fails.
func (s *stopper) begin(deadline time.Time) (run bool, gaveUp <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		if deadline.Before(s.deadline) {
			s.deadline = deadline
			select {
			case s.sooner <- struct{}{}:
			default:
			}
		}
		return false, s.gaveUp
	}
	s.running, s.deadline, s.stuck = true, deadline, nil
	s.sooner, s.gaveUp = make(chan struct{}, 1), make(chan struct{})
	return true, s.gaveUp
}

func (s *stopper) until() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Until(s.deadline)
}

// attempt notes the outcome of an attempt to kill, and tells the callers when it failed.
func (s *stopper) attempt(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stuck = err; err != nil {
		close(s.gaveUp)
		s.gaveUp = make(chan struct{})
	}
}

// blocked is what the last attempt to kill said, nil when none has failed.
func (s *stopper) blocked() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stuck
}

func (s *stopper) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
}

// StopContainer sends the stop signal, and SIGKILL after timeout. A container that is gone or has exited is no error.
func (m *Manager) StopContainer(ctx context.Context, id string, timeout time.Duration) error {
	c, err := m.index.container(id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return m.stopContainer(ctx, c, timeout)
}

// stopContainer returns when the container has exited, the caller has left, or SIGKILL did not end it.
func (m *Manager) stopContainer(ctx context.Context, c *container, timeout time.Duration) error {
	if c.state() == runtime.ContainerState_CONTAINER_EXITED {
		return nil
	}
	run, gaveUp := c.stop.begin(time.Now().Add(max(timeout, 0)))
	if run && !m.spawn(func() { m.runStop(c) }) {
		c.stop.end()
		return ErrClosed
	}
	select {
	case <-c.exit:
		return nil
	case <-gaveUp:
		return fmt.Errorf("stop container %s: %w: %w; it is tried again in the background", c.rec.ID, ErrDeadline, c.stop.blocked())
	case <-ctx.Done():
		return fmt.Errorf("stop container %s: it goes on: %w", c.rec.ID, ctx.Err())
	}
}

// runStop is the stop itself.
func (m *Manager) runStop(c *container) {
	defer c.stop.end()
	if c.stop.until() > 0 && c.state() == runtime.ContainerState_CONTAINER_RUNNING {
		if err := c.signal(unix.Signal(c.status().StopSignal)); err != nil && !errors.Is(err, oci.ErrNotRunning) {
			c.log.Warn("stop signal not sent", "err", err)
		}
		if m.awaitDeadline(c) {
			return
		}
	}
	for pause := time.Second; ; pause = min(2*pause, killRetryMax) {
		err := m.killOnce(c)
		c.stop.attempt(err)
		if err == nil {
			return
		}
		c.log.Error("container does not die", "err", err)
		select {
		case <-c.exit:
			return
		case <-time.After(pause):
		case <-m.ctx.Done():
			return
		}
	}
}

// awaitDeadline waits for the exit (true) or the deadline, which may come nearer.
func (m *Manager) awaitDeadline(c *container) bool {
	for {
		timer := time.NewTimer(c.stop.until())
		select {
		case <-c.exit:
			timer.Stop()
			return true
		case <-m.ctx.Done():
			timer.Stop()
			return true
		case <-c.stop.sooner:
			timer.Stop()
		case <-timer.C:
			return false
		}
	}
}

// killOnce kills everything in the container's cgroup and waits for the exit to be known.
func (m *Manager) killOnce(c *container) error {
	ctx, cancel := context.WithTimeout(m.ctx, killRound)
	defer cancel()
	oc := c.live.Load()
	if oc == nil {
		return m.killLost(ctx, c)
	}
	if err := oc.KillAll(ctx); err != nil {
		return err
	}
	timer := time.NewTimer(exitWait)
	defer timer.Stop()
	select {
	case <-c.exit:
	case <-timer.C:
		c.log.Warn("processes are dead, and the monitor has not told of the exit")
		m.noteExit(c, lastExit(c.dir, "it was killed, and its monitor has not told how it ended"))
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (c *container) signal(s unix.Signal) error {
	oc := c.live.Load()
	if oc == nil {
		return oci.ErrNotRunning
	}
	return oc.Kill(s)
}
