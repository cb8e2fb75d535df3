// SPDX-License-Identifier: Apache-2.0

// Package systemd has systemd make the cgroups of containers (cgroup.Driver): on a host whose cgroups are systemd's, it is to know of every
// container, so that nobody else touches its cgroup, and so that its shutdown ends it.
//
// # Terms
//
//   - A scope is a unit of processes that systemd did not start: crisp-ab12.scope. It is transient: made by a call, gone with its processes.
//   - A slice is a unit of units; its name says where it is: a-b.slice is in a.slice.
//   - A property is a setting of a unit, like MemoryMax. systemd writes the cgroup's files by its properties, whenever it likes. So what
//     we write into files it is told too, and the other way round.
//   - A job is what systemd makes of a call to start or stop a unit. The call returns at once; the signal JobRemoved tells how it ended.
//   - The holder is the process that a new scope has, for a scope cannot be empty. It is ours, does nothing, and ends when the container's
//     first process is in the cgroup; or with us, whatever kills us, and then systemd removes the scope.
//
// # Life cycle
//
//	            us                                     systemd
//	Start       a holder
//	            StartTransientUnit(scope, properties)  makes the slices, the cgroup, moves the holder there
//	                                                   JobRemoved "done"
//	            files that no property stands for; the device filter (DevicePolicy=auto keeps systemd's away)
//	            the container's first process is born in the cgroup; the holder ends
//	Set         SetUnitProperties, Ping                writes the files before it answers the Ping
//	Stop        the cgroup is empty, or removed by us
//	            StopUnit                               JobRemoved; the unit is forgotten (CollectMode=inactive-or-failed)
//
// # Worked example
//
//	d := systemd.New(systemd.Config{})
//	m, err := cgroup.New(cgroup.Config{Driver: d})
//	c, err := m.Make(ctx, cgroup.Request{Path: "kubepods-burstable.slice:crisp:ab12", Resources: spec.Linux.Resources})
//	// /sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/crisp-ab12.scope
//
// # What is refused
//
// Annotations "org.systemd.property.NAME" set properties of the scope. An engine may pass annotations on that a pod's author wrote
// (CVE-2024-3154), so only those names are taken that concern nothing but the scope itself, with values of their types: see properties.go.
package systemd
