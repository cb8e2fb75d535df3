// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A Driver is somebody who owns the host's cgroups and has to be asked for new ones: systemd (package cgroup/systemd). A cgroupsPath
// of the form "slice:prefix:name" names a Unit of his, any other a directory that is nobody's but ours.
type Driver interface {
	// Unit reads such a path.
	Unit(cgroupsPath string) (Unit, error)
	// Start makes the unit and its cgroup, with a process of the driver's in it until release is called: an empty one would be taken away.
	Start(ctx context.Context, q UnitRequest) (release func() error, err error)
	// Set has the driver know limits, which it writes again when it likes. Either all are taken or none. They are written when it returns.
	Set(ctx context.Context, unit string, settings []Setting) error
	// Stop ends a unit whose cgroup is empty or gone, and returns when its name is free. None is no error.
	Stop(ctx context.Context, unit string) error
}

// A Unit is what a driver calls a cgroup.
type Unit struct {
	Name      string // "crisp-ab12.scope"
	Slice     string // "kubepods-burstable.slice", in which it is
	Directory string // below the root of each hierarchy: "kubepods.slice/kubepods-burstable.slice/crisp-ab12.scope"
}

// A UnitRequest says what unit to make.
type UnitRequest struct {
	Unit
	V1          bool // the host's controllers are in v1 hierarchies
	Settings    []Setting
	Annotations map[string]string // the container's: some are properties of the unit
}

// A Setting is what a file of the cgroup is to say.
type Setting struct{ File, Value string }

// isUnit recognizes "slice:prefix:name".
func isUnit(cgroupsPath string) bool {
	return strings.Count(cgroupsPath, ":") == 2 && !strings.Contains(cgroupsPath, "/")
}

// settings are what a driver is told of writes.
func settings(writes []write) []Setting {
	list := make([]Setting, len(writes))
	for i, w := range writes {
		list[i] = Setting{w.file, w.value}
	}
	return list
}

// startUnit has the driver make the cgroup's unit. What it returns are the writes for as long as the driver's process is in there.
func (c *Cgroup) startUnit(ctx context.Context, q *Request, writes []write) ([]write, error) {
	if err := c.vacant(); err != nil {
		return nil, err
	}
	release, err := c.m.driver.Start(ctx, UnitRequest{Unit: *c.unit, V1: c.m.mode != V2, Settings: settings(writes), Annotations: q.Annotations})
	if err != nil {
		return nil, err
	}
	c.held = &held{release: release}
	first := slices.Clone(writes)
	for i, w := range writes {
		if w.file != "pids.max" {
			continue
		}
		if n, err := strconv.ParseInt(w.value, 10, 64); err == nil { // not "max"
			first[i].value = strconv.FormatInt(n+1, 10)
			c.held.after = append(c.held.after, w)
		}
	}
	return first, nil
}

// vacant says whether somebody is in the directory that the unit is going to have.
func (c *Cgroup) vacant() error {
	if len(c.m.hierarchies) == 0 {
		return nil
	}
	pids, err := c.pids(c.m.primary())
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err == nil && len(pids) > 0 {
		err = c.busy(c.m.primary())
	}
	return err
}

// held is the driver's process in a new cgroup. It goes when the first of the container's is in: with the Join.
type held struct {
	mu      sync.Mutex   // guards release
	release func() error // nil: it has gone
	after   []write      // limits in which it counted
}

// settle ends the driver's process. Doing it twice is no error.
func (c *Cgroup) settle() error {
	if c.held == nil {
		return nil
	}
	c.held.mu.Lock()
	defer c.held.mu.Unlock()
	if c.held.release == nil {
		return nil
	}
	err := c.held.release()
	c.held.release = nil
	if _, writeErr := c.m.run(c.path, c.held.after, false); writeErr != nil && !isGone(writeErr) {
		err = errors.Join(err, writeErr)
	}
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", c.Path(), err)
	}
	return nil
}

// isGone says whether the cgroup is not there any more: a container may end before its maker looks, and its driver removes it then.
func isGone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, ErrNotFound)
}

// Release kills what is in a cgroup, removes it, and ends its unit. None is no error.
func (m *Manager) Release(ctx context.Context, cgroupsPath string) error {
	c, err := m.at(cgroupsPath)
	if err != nil {
		return err
	}
	// Nearly always it is empty, which the removal finds out faster than a kill of nobody.
	if err := c.Remove(ctx); !errors.Is(err, ErrBusy) {
		return err
	}
	if err := c.Kill(ctx); err != nil {
		return err
	}
	return c.Remove(ctx)
}
