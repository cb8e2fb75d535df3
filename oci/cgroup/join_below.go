// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// JoinBelow is Join for an exec into cgroups below this one, which are there already. below has their paths by controller; "" is
// all of v2. Where it names none, the process enters this one.
func (c *Cgroup) JoinBelow(below map[string]string) (Join, error) {
	used := 0
	paths := make([]string, len(c.m.hierarchies))
	for i, h := range c.m.hierarchies {
		paths[i] = c.path
		for controller, p := range below {
			if !h.is(controller) {
				continue
			}
			used++
			paths[i] = path.Join(c.path, p)
			if paths[i] != c.path && !strings.HasPrefix(paths[i], c.path+"/") {
				return Join{}, fmt.Errorf("%q: %w: bad sub cgroup path: %s", controller, ErrInvalid, p)
			}
		}
	}
	if used < len(below) {
		return Join{}, fmt.Errorf("sub-cgroups %v: %w", below, ErrNoController)
	}
	return c.joinPaths(paths)
}

// is says whether a controller of that name is in this hierarchy: "cpu", "name=systemd", and "" for the v2 one.
func (h *hierarchy) is(controller string) bool {
	if h.v2 {
		return controller == ""
	}
	return controller == h.name || slices.Contains(h.controllers, controller)
}
