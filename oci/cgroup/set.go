// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Set changes the given limits; what r leaves out stays. Either all of it is done or nothing: on an error what was written is
// written back. Two at a time on one cgroup are the caller's to avoid.
func (c *Cgroup) Set(r *specs.LinuxResources) error {
	if r == nil {
		return nil
	}
	if err := c.set(r); err != nil {
		return fmt.Errorf("cgroup %s: %w", c.Path(), err)
	}
	return nil
}

// set writes the files first, where the kernel says whether it can be. A driver that hears of it writes what it makes of the limits,
// so what was asked for is written again after it.
func (c *Cgroup) set(r *specs.LinuxResources) error {
	writes, err := c.translate(r, false)
	if err != nil {
		return err
	}
	done, err := c.m.run(c.path, writes, true)
	if err == nil && c.unit != nil && len(writes) > 0 {
		if err = c.tell(writes); err == nil {
			_, err = c.m.run(c.path, writes, false)
		}
	}
	if err == nil && r.Devices != nil {
		err = c.setDevices(r.Devices)
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EBUSY) { // what v1 says when it cannot reclaim enough
		err = fmt.Errorf("%w: %w", ErrBelowUsage, err)
	}
	slices.Reverse(done)
	_, restoreErr := c.m.run(c.path, done, false)
	if restoreErr == nil && c.unit != nil && len(done) > 0 {
		if restoreErr = c.tell(done); restoreErr == nil {
			_, restoreErr = c.m.run(c.path, done, false)
		}
	}
	if restoreErr != nil {
		err = errors.Join(err, fmt.Errorf("restore: %w", restoreErr))
	}
	return err
}

// tell has the driver know what was written.
func (c *Cgroup) tell(writes []write) error {
	return c.m.driver.Set(context.Background(), c.unit.Name, settings(writes))
}

// run applies writes. With keep it returns what would restore the files that were changed, also on error.
func (m *Manager) run(p string, writes []write, keep bool) (old []write, err error) {
	var later []write
	do := func(w write, last bool) error {
		before, changes := write{}, false
		if keep {
			before, changes = m.before(p, w)
		}
		err := m.write(p, w)
		if w.later && !last && errors.Is(err, unix.EINVAL) {
			later = append(later, w)
			return nil
		}
		if err == nil && changes {
			old = append(old, before)
		}
		return err
	}
	for _, w := range writes {
		if err := do(w, false); err != nil {
			return old, err
		}
	}
	for _, w := range later {
		if err := do(w, true); err != nil {
			return old, err
		}
	}
	return old, nil
}

// before returns the write that restores what w is going to overwrite.
func (m *Manager) before(p string, w write) (write, bool) {
	h := m.controller(w.controller)
	if h == nil {
		return write{}, false
	}
	content, err := h.read(path.Join(p, w.file))
	if err != nil && w.or != nil {
		return m.before(p, *w.or)
	}
	if err != nil {
		return write{}, false
	}
	value := strings.TrimSpace(content)
	if w.old != nil {
		value = w.old(content)
	}
	if value == w.value {
		return write{}, false
	}
	if value == "" { // write(2) of nothing reaches no file
		value = "\n"
	}
	return write{controller: w.controller, file: w.file, value: value, optional: w.optional, later: w.later}, true
}

func (m *Manager) write(p string, w write) error {
	h := m.controller(w.controller)
	if h == nil && w.controller == "cgroup" {
		h = m.unified
	}
	if h == nil {
		return fmt.Errorf("%w: %s", ErrNoController, w.controller)
	}
	err := h.write(path.Join(p, w.file), w.value)
	if !errors.Is(err, unix.ENOENT) {
		return err
	}
	switch {
	case w.or != nil:
		return m.write(p, *w.or)
	case w.optional:
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNoController, err)
}
