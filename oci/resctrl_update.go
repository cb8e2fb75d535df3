// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"

	"crisp/oci/rdt"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// UpdateResctrl changes what of the caches and of the memory bandwidth the container's group may use; "" leaves it as it is. A container
// without a group gets one, which is told by made: the caller's spec has linux.intelRdt from then on.
func (c *Container) UpdateResctrl(l3CacheSchema, memBwSchema string) (made *specs.LinuxIntelRdt, err error) {
	err = c.withResctrl(func(f *rdt.FS) error {
		if c.linux.IntelRdt == nil {
			made, err = c.joinResctrl(f, l3CacheSchema, memBwSchema)
			return err
		}
		g, err := f.Group(c.ID, c.linux.IntelRdt)
		if err != nil {
			return err
		}
		return g.Update(l3CacheSchema, memBwSchema)
	})
	return made, err
}

// joinResctrl makes a group of the container's own, and moves its processes there. What is forked meanwhile is in the group of its parent:
// so whoever is not yet there the first time is the second time.
func (c *Container) joinResctrl(f *rdt.FS, l3CacheSchema, memBwSchema string) (*specs.LinuxIntelRdt, error) {
	if c.Cgroup == nil {
		return nil, ErrNotRunning
	}
	g, err := f.Make(c.ID, &specs.LinuxIntelRdt{L3CacheSchema: l3CacheSchema, MemBwSchema: memBwSchema})
	if err != nil {
		return nil, err
	}
	own := &specs.LinuxIntelRdt{}
	for range 2 {
		pids, err := c.Cgroup.Pids()
		if err == nil {
			err = g.Enter(c.ID, own, pids)
		}
		if err != nil {
			_ = f.Undo(g)
			return nil, err
		}
	}
	c.linux.IntelRdt = own
	return own, nil
}

// Schemata are those of the container's resctrl group, and those of the root; "" for a container without a group.
func (c *Container) Schemata() (group, root string, err error) {
	if c.linux.IntelRdt == nil {
		return "", "", nil
	}
	err = c.withResctrl(func(f *rdt.FS) error {
		g, err := f.Group(c.ID, c.linux.IntelRdt)
		if err != nil {
			return err
		}
		group, root, err = g.Schemata()
		return err
	})
	return group, root, err
}

func (c *Container) withResctrl(f func(*rdt.FS) error) error {
	fs, err := c.runtime.resctrlFS()
	if err == nil {
		defer fs.Close()
		err = f(fs)
	}
	if err != nil {
		return fmt.Errorf("linux.intelRdt: %w", err)
	}
	return nil
}

// enterResctrl moves the processes of the container into its group.
func (c *Container) enterResctrl() error {
	return c.withResctrl(func(f *rdt.FS) error {
		g, err := f.Group(c.ID, c.linux.IntelRdt)
		if err != nil {
			return err
		}
		pids, err := c.Cgroup.Pids()
		if err != nil {
			return err
		}
		return g.Enter(c.ID, c.linux.IntelRdt, pids)
	})
}
