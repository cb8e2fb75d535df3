// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"

	"crisp/oci/cgroup"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// change calls f with the cgroup of a container that runs, created or paused, and holds its lock meanwhile.
func (r *Runtime) change(id string, f func(*container, *cgroup.Cgroup) error) error {
	c, err := r.openLocked(id)
	if err != nil {
		return err
	}
	defer c.Close()
	if !c.alive() {
		return ErrNotRunning
	}
	return c.withCgroup(func(g *cgroup.Cgroup) error {
		if g == nil {
			return ErrNotRunning
		}
		if c.uncontained() {
			return cgroup.ErrNone
		}
		return f(c, g)
	})
}

// Pause stops all processes of a container, and waits until they have stopped.
func (r *Runtime) Pause(ctx context.Context, id string) error {
	return r.change(id, func(c *container, g *cgroup.Cgroup) error {
		if c.frozen() {
			return ErrPaused
		}
		return g.Freeze(ctx)
	})
}

// Resume lets them run again.
func (r *Runtime) Resume(ctx context.Context, id string) error {
	return r.change(id, func(c *container, g *cgroup.Cgroup) error {
		if !c.frozen() {
			return ErrNotPaused
		}
		return g.Thaw(ctx)
	})
}

// Update changes limits: all that are given or, on an error, none.
func (r *Runtime) Update(_ context.Context, id string, q *specs.LinuxResources) error {
	return r.change(id, func(_ *container, g *cgroup.Cgroup) error { return g.Set(q) })
}

// Processes lists the pids of a container's cgroup, or without one of its PID namespace, as our PID namespace numbers them.
func (r *Runtime) Processes(id string) ([]int, error) {
	c, err := r.open(id)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var pids []int
	err = c.withCgroup(func(g *cgroup.Cgroup) error {
		if g == nil {
			return nil
		}
		pids, err = c.pids(g)
		return err
	})
	return pids, err
}
