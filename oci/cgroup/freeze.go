// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Freeze stops all processes of the cgroup and waits until they are stopped. When ctx ends first they run again.
func (c *Cgroup) Freeze(ctx context.Context) error {
	err := c.freeze(ctx)
	if err == nil {
		return nil
	}
	return errors.Join(c.stuck(c.m.primary(), err), c.setFrozen(false))
}

// Thaw lets them run again.
func (c *Cgroup) Thaw(ctx context.Context) error {
	if err := c.setFrozen(false); err != nil {
		return err
	}
	if c.m.unified == nil {
		return nil
	}
	w, err := newWaiter(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	return w.event(c.m.unified, c.path, "frozen", "0")
}

// setFrozen asks for the state. The v2 freezer is preferred where there is one: it wakes waiters up, and frozen processes can be killed.
func (c *Cgroup) setFrozen(frozen bool) error {
	if c.m.unified != nil {
		value := "0"
		if frozen {
			value = "1"
		}
		return c.known(c.m.unified.write(path.Join(c.path, "cgroup.freeze"), value))
	}
	h := c.m.controller("freezer")
	if h == nil {
		return fmt.Errorf("freezer: %w", ErrNoController)
	}
	value := "THAWED"
	if frozen {
		value = "FROZEN"
	}
	return c.known(h.write(path.Join(c.path, "freezer.state"), value))
}

// known turns ENOENT and ENODEV into ErrNotFound.
func (c *Cgroup) known(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("cgroup %s: %w: %w", c.Path(), ErrNotFound, err)
	}
	return err
}

func (c *Cgroup) freeze(ctx context.Context) error {
	w, err := newWaiter(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	if err := c.setFrozen(true); err != nil {
		return err
	}
	if c.m.unified != nil {
		return w.event(c.m.unified, c.path, "frozen", "1")
	}
	h := c.m.controller("freezer")
	for try := 0; ; try++ {
		state, err := h.read(path.Join(c.path, "freezer.state"))
		if err != nil {
			return c.known(err)
		}
		if strings.TrimSpace(state) == "FROZEN" {
			return nil
		}
		// v1 tells nobody when it is done, and misses processes that are being forked: ask again.
		if err := w.poll(nil, min(time.Duration(try/8), 5)*time.Millisecond); err != nil {
			return err
		}
		if err := c.setFrozen(true); err != nil {
			return err
		}
	}
}
