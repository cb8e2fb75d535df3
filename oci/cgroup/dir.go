// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"fmt"
	"path"
	"strconv"
)

// Dir is the cgroup's directory in the hierarchy of a controller, on v2 the one that there is; "" when the host does not have it.
func (c *Cgroup) Dir(controller string) string {
	h := c.m.unified
	if c.m.mode != V2 {
		h = c.m.controller(controller)
	}
	if h == nil {
		return ""
	}
	return path.Join(h.dir, c.path)
}

// Version is that of the host's cgroups.
func (c *Cgroup) Version() Mode { return c.m.mode }

// Hierarchies are the names of the v1 hierarchies; none on v2.
func (c *Cgroup) Hierarchies() []string { return c.m.Hierarchies() }

// Enter moves a process, with all its threads, into the cgroup.
func (c *Cgroup) Enter(pid int) error {
	for _, h := range c.m.hierarchies {
		if err := h.write(path.Join(c.path, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return fmt.Errorf("cgroup %s: %w", c.Path(), err)
		}
	}
	return nil
}
