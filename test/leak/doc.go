// SPDX-License-Identifier: Apache-2.0

// Package leak tells what a test, a lane or a daemon left behind. A snapshot counts objects by kind and name; what a later
// snapshot holds more than an earlier one is a leak:
//
//	before, err := leak.Take(scope)
//	… run pods, remove them …
//	left, err := leak.Wait(ctx, scope, before)   // nil: nothing; else one line an object
//
//	kind      name                                   from
//	process   comm state cmdline                     /proc/PID, below Scope.Ancestor or by name
//	mount     mount point, type, source              /proc/self/mountinfo
//	cgroup    hierarchy and path                     directories with Scope.Cgroup in their path
//	netns     inode                                  /proc/PID/ns/net of the processes above
//	link      name                                   rtnetlink, this network namespace
//	nftable   family name                            nftables, this network namespace
//	shm       key and size                           /proc/sysvipc/shm, this IPC namespace
//	file      path                                   below Scope.Dirs
//	fd        what it is open on                     /proc/DAEMON/fd
//
// The kernel takes its time for some of them (a network namespace goes in a work queue), and so does the daemon for what no
// caller should wait for; Wait therefore looks again until its context ends.
package leak
