// SPDX-License-Identifier: Apache-2.0

// Package checkpoint saves the processes of a container in a directory, and makes a container of such a directory, by the program criu. It says what
// of a container is criu's to save, and what is the host's.
//
// # Terms
//
//   - The images are the directory that criu writes. They hold the memory, the credentials and the mounts of processes, and whoever can change them can
//     have any process run as root: they are to be trusted like a program. What is a container's policy (mounts, namespaces, cgroup, hooks) is taken
//     from the config.json of the one who restores, never from the images; and nothing is written through links in them.
//   - An external mount shows something of the host in the container: a bind mount, or the device that masks a file. criu saves but its name; it is mounted
//     anew. All other mounts (proc, tmpfs with its files, devpts …) are criu's.
//   - An external namespace was joined by path. It is joined again.
//   - A pre-dump saves memory alone, and the processes go on; the dump after it, which names it as its parent, saves what has changed since.
//
// # Life cycle
//
//	running ── Dump PreDump ─▶ running ── Dump ─▶ stopped (or LeaveRunning) ┈ images ┈▶ Restore ─▶ running
//
// A Dump that fails leaves the processes running. A Restore that fails leaves none.
//
// # What criu is told
//
//	mounts.go      which mounts are external, and what stands for them
//	namespaces.go  which namespaces are
//	places.go      mount points that are missing in the root file system
//	images.go      the directories, and what they may hold
//	dump.go restore.go console and cgroup, in the order of the calls
//
// # Worked example
//
//	c := checkpoint.Container{ID: "c1", Spec: spec, Bundle: dir, Rootfs: rootfs, Cgroup: g, Pid: 4711}
//	err := c.Dump(ctx, checkpoint.Options{Images: "/srv/c1"})
//	…
//	r, err := c.Restore(ctx, checkpoint.Options{Images: "/srv/c1", Stdout: os.Stdout}, nil)
//	unix.Wait4(r.Pid, …) // it is our child
package checkpoint
