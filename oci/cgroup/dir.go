// SPDX-License-Identifier: Apache-2.0

package cgroup

import "path"

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
