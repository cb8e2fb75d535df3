// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"crisp/oci/cgroup"
)

// without is this Runtime for a container that has cgroups in some hierarchies only; nil: in all.
func (r *Runtime) without(only []string) *Runtime {
	if only == nil {
		return r
	}
	limited := *r
	limited.only = only
	return &limited
}

// findCgroup decides where the cgroup of a new container is to be, if who makes it may not have rights on cgroups: below their own, or
// nowhere. What the spec names is not changed: that it cannot be made is an error then.
func (c *container) findCgroup(q *CreateRequest) error {
	r := c.runtime
	if r.config.Systemd {
		return nameUnit(q)
	}
	if q.Spec.Linux == nil || q.Spec.Linux.CgroupsPath != "" || r.config.IgnoreCgroups == nil || !r.config.IgnoreCgroups() {
		return nil
	}
	at := cgroup.Place{Hierarchies: []string{}}
	if m, err := r.openCgroups(); err == nil { // else no cgroup file system is in sight, as in many containers
		at, err = m.Place("crisp-" + q.ID)
		if err = errors.Join(err, m.Close()); err != nil {
			return err
		}
	}
	c.Hierarchies, q.Spec.Linux.CgroupsPath = at.Hierarchies, at.Path
	c.runtime = r.without(at.Hierarchies)
	return nil
}

// uncontained says whether the container has no cgroup at all.
func (c *container) uncontained() bool { return c.Hierarchies != nil && len(c.Hierarchies) == 0 }

// pids lists the container's processes: those of its cgroup or, where there is none, of its PID namespace.
func (c *container) pids(g *cgroup.Cgroup) ([]int, error) {
	if !c.uncontained() || !c.OwnPIDs {
		return g.Pids()
	}
	if !c.alive() {
		return nil, nil
	}
	own, err := namespaceOf(c.Pid)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir("/proc")
	var pids []int
	for _, e := range entries {
		pid, numErr := strconv.Atoi(e.Name())
		if numErr != nil {
			continue
		}
		if ns, err := namespaceOf(pid); err == nil && ns == own { // others are not ours to look at, or gone
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, err
}

// namespaceOf names the PID namespace of a process: "pid:[4026531836]".
func namespaceOf(pid int) (string, error) {
	return os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/pid")
}

// rootlessError says of a limit that cannot be set what stands behind it, in runc's words.
func (c *container) rootlessError(err error) error {
	if c.Hierarchies != nil && errors.Is(err, cgroup.ErrNoController) {
		return fmt.Errorf("rootless needs no limits + no cgrouppath when no permission is granted for cgroups: %w", err)
	}
	return err
}
