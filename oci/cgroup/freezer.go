// SPDX-License-Identifier: Apache-2.0

package cgroup

import "path"

// FreezerFile is the file that tells whether the cgroup was frozen, for whoever wants to know without a Manager: cgroup.freeze ("1")
// or, on v1, freezer.state ("FROZEN", "FREEZING"). "": nothing can freeze it.
func (c *Cgroup) FreezerFile() string {
	if h := c.m.unified; h != nil {
		return path.Join(h.dir, c.path, "cgroup.freeze")
	}
	if h := c.m.controller("freezer"); h != nil {
		return path.Join(h.dir, c.path, "freezer.state")
	}
	return ""
}
