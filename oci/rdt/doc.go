// SPDX-License-Identifier: Apache-2.0

// Package rdt carries out linux.intelRdt: it puts containers into groups of the resctrl file system, by which Intel's RDT, AMD's PQoS
// and Arm's MPAM divide caches and memory bandwidth (Documentation/filesystems/resctrl.rst).
//
// # Terms
//
//   - The root is where resctrl is mounted, /sys/fs/resctrl as a rule. The user mounts it; nobody else may.
//   - A class of service (CLOS) is a directory below the root with files tasks and schemata; the root itself is the default one. The
//     hardware has some 8 to 128 of them. Making the directory takes one.
//   - A schema is one line of a file schemata: a resource and what the class may use of it in each domain, "L3:0=7f0;1=1f".
//   - A monitoring group is a directory below mon_groups of a class, with a file tasks and the counters of what these tasks use.
//
// # Which class, and who removes it (runtime-spec config-linux.md, "IntelRdt")
//
//	closID   schemata etc.   directory                     afterwards
//	none     any             <container ID>, made          removed with the container
//	set      none            must be there                 stays
//	set      some            made where it is missing;     stays
//	                         else it must agree with
//	                         l3CacheSchema, memBwSchema
//
// The directory of a container without a closID must not be there yet. So it is always the runtime's own, and to remove it nothing
// needs to be remembered from one process of the runtime to the next. The same goes for the monitoring group, which every
// container with enableMonitoring has to itself.
//
// # Life cycle
//
//	Make ──▶ group ── TaskFiles, into which the process writes "0", itself ──▶ Remove
//	   └─ on an error nothing is left ─┘
//
// A process enters its group before it does anything that counts, by writing to files that were opened for it: the class first, then
// the monitoring group, which takes tasks of its own class only.
//
// # Worked example
//
//	fs, err := rdt.Find(mountinfo)
//	g, err := fs.Make("c1", config) // Schemata: []string{"L3:0=f", "MB:0=50"}
//	f, err := fs.OpenTasks(rdt.TaskFiles("c1", config)[0])  // /sys/fs/resctrl/c1/tasks
//	…                                                       // the container runs
//	err = g.Remove()
package rdt
