// SPDX-License-Identifier: Apache-2.0

// Package cgroup makes, limits, measures, freezes, kills and removes the control groups of containers, on cgroup v2, on v1,
// and on the hybrid of both: by the file system (the cgroupfs driver), or with a Driver who owns them (package cgroup/systemd).
//
// # Terms
//
// A hierarchy is one mounted tree of cgroups. On v2 there is one, with all controllers. On v1 each controller, or a few
// together, has its own, and there may be one with a name and no controller (systemd's). A hybrid host has v1's and beside
// them a v2 hierarchy, the unified one, without controllers: it still counts pressure, and freezes and kills well. A Cgroup is
// the directory of one path in every hierarchy. A Driver is somebody who owns cgroups and is asked for them: a cgroupsPath of his form
// names a Unit of his, whose directory is then used like any other.
//
// # Life cycle
//
//	Manager.Create ─ mkdir, limits, devices ─▶ Cgroup ─ Join ─▶ a process is born in it
//	Manager.Open  ─ after a restart ─────────▶   │  Set, Stats, Freeze, Thaw, Pids
//	                                             └─ Kill ─ Remove
//
// A Cgroup is a path and holds no fds: a node with 300 pods would run out of them on v1. Parents are made where they are
// missing, are never removed, and no limit of theirs is written. Two things of a parent are: on v2 controllers are switched on for its children
// (cgroup.subtree_control), and on v1 an empty cpuset is filled, without which no process could live below.
//
// # Worked example
//
//	m, err := cgroup.New(cgroup.Config{})
//	c, err := m.Create("/kubepods/pod1/crisp-ab12", spec.Linux.Resources)
//	join, err := c.Join() // into the plan: CLONE_INTO_CGROUP with join.Dir, and "0" written to each of join.Tasks
//	...
//	err = c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}) // all or nothing
//	err = c.Kill(ctx)   // returns when it is empty
//	err = c.Remove(ctx)
//
// # Why not opencontainers/cgroups
//
// It is the reference here: tests set the same resources by both and compare every file. But it reads mountinfo and walks for each container,
// polls with sleeps, has no roll back, sets the daemon's own RLIMIT_MEMLOCK, which containers inherit, and links logrus, D-Bus and ebpf.
package cgroup
