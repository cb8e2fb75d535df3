// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"errors"
	"fmt"

	"crisp/oci/cgroup"

	"golang.org/x/sys/unix"
)

// KillRequest says what signal to send, and to whom.
type KillRequest struct {
	Signal unix.Signal
	All    bool // to every process of the container's cgroup; that there is none is no error then
}

// Kill sends a signal to the first process of a created or running container. It takes no lock: nothing must keep a container from
// being killed.
func (r *Runtime) Kill(ctx context.Context, id string, q KillRequest) error {
	c, err := r.open(id)
	if err != nil {
		return err
	}
	defer c.Close()
	if q.All {
		return c.killAll(ctx, q.Signal)
	}
	if q.Signal == unix.SIGKILL && !c.OwnPIDs {
		// No process 1 takes the others with it, and they may be there without the first.
		err := c.kill(q.Signal)
		if err == nil || errors.Is(err, ErrNotRunning) && c.populated() {
			return c.killAll(ctx, q.Signal)
		}
		return err
	}
	return c.kill(q.Signal)
}

// populated says whether there are processes in the cgroup.
func (c *container) populated() bool {
	found := false
	err := c.withCgroup(func(g *cgroup.Cgroup) error {
		if g == nil {
			return nil
		}
		pids, err := g.Pids()
		found = len(pids) > 0
		return err
	})
	return err == nil && found
}

// kill signals the first process.
func (c *container) kill(sig unix.Signal) error {
	fd, err := c.pidfd()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = unix.PidfdSendSignal(fd, sig, nil, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return ErrNotRunning
	case err != nil:
		return fmt.Errorf("unable to signal init: %w", err)
	case sig == unix.SIGKILL && c.frozen():
		return c.thawKilled()
	}
	return nil
}

// thawKilled lets a killed container die: v1's freezer keeps it from that, and no harm is done on v2.
func (c *container) thawKilled() error {
	return c.withCgroup(func(g *cgroup.Cgroup) error {
		if g == nil {
			return nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), undoTimeout)
		defer cancel()
		if err := g.Thaw(ctx); err != nil && !errors.Is(err, cgroup.ErrNotFound) {
			return err
		}
		return nil
	})
}

// killAll signals every process of the cgroup. Only SIGKILL is sure to meet them all: others are sent to those that are there now.
func (c *container) killAll(ctx context.Context, sig unix.Signal) error {
	return c.withCgroup(func(g *cgroup.Cgroup) error {
		if g == nil {
			return nil
		}
		switch {
		case sig != unix.SIGKILL:
		case !c.uncontained():
			return g.Kill(ctx)
		default: // the first process takes those of its PID namespace with it
			if err := c.kill(sig); !errors.Is(err, ErrNotRunning) {
				return err
			}
			return nil
		}
		pids, err := c.pids(g)
		if err != nil {
			return err
		}
		for _, pid := range pids {
			if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("signal %d to process %d: %w", sig, pid, err)
			}
		}
		return nil
	})
}
