// SPDX-License-Identifier: Apache-2.0

// Package oci is the OCI runtime: it compiles a config.json (runtime-spec 1.3) into a plan and runs containers by it. It knows
// the kernel and nothing of the CRI.
//
// # Terms
//
//   - A spec is a config.json. Validate says what is wrong with one, by JSON path; whatever is not carried out yet is an error too,
//     which wraps errors.ErrUnsupported: no field is ignored silently but those of other operating systems, and annotations.
//   - A plan is the list of steps by which a process becomes the container's (package conmon/plan). Compile makes the one of a
//     container's first process, CompileExec of a further one. Both are pure: golden texts under testdata pin every order.
//   - A file request is what Compile asks the daemon to open for a register of the plan, where a child may not: namespaces, cgroups, and
//     with a user namespace or mapped IDs the sources of bind mounts.
//   - A Host is what plans depend on of the machine. New probes it once.
//   - The monitor (package conmon) carries plans out and is the parent of what comes of them.
//
// # Life cycle
//
//	config.json ─ Validate ─ Compile ─▶ plan + file requests
//	                                        │ Create: make the cgroup, open the files, have the monitor carry the plan out
//	                                        ▼
//	      (on an error: nothing is left)  created ── Start ──▶ running ── exit or Kill ──▶ stopped ── Delete ──▶ gone
//	                                        └────────────────── Kill ─────────────────────▲
//	                                                           Exec, Update, Stats
//	      a restart of the daemon: Load gives the Container back in any state but gone
//
// A created container has done everything but its exec: it stands at the plan's barrier in its namespaces, its root and its cgroup,
// with its user, capabilities and working directory. So nearly every error is one of Create; Start finds out whether the
// program exists.
//
// # Where the files are
//
//	compile.go     the order of a plan, and the reason for each place in it: read this first
//	assembly.go    how steps are appended: registers, tolerated failures, jumps
//	namespaces.go shared_mounts.go rootfs.go old_kernel.go mounts.go mount_options.go cgroup_mount.go devices.go masks.go sysctl.go terminal.go
//	limits.go labels.go capabilities.go credentials.go    the parts of a plan, in about that order
//	compile_exec.go                                       the plan of an exec
//	validate.go validate_process.go validate_linux.go     Validate
//	file_request.go files.go idmap.go mappings.go         what the daemon opens, and how
//	rootless.go                                           what differs for an ordinary user: the table is there
//	host.go probe.go                                      Host
//	runtime.go create.go container.go exec.go cleanup.go  the calls
//	checkpoint.go resctrl_update.go                       more of them
//
// # Worked example
//
//	cgroups, err := cgroup.New(cgroup.Config{})
//	r, err := oci.New(oci.Config{Cgroups: cgroups})
//	m, err := conmon.Start(ctx, conmon.StartConfig{SocketPath: "/run/crisp/pods/ID/conmon.sock"})
//	c, err := r.Create(ctx, oci.CreateRequest{ID: id, Monitor: m, Spec: spec, Bundle: dir, Rootfs: rootfs, Log: log, ExitDir: exitDir})
//	err = c.Start(ctx)
//	e, err := c.Exec(ctx, oci.ExecRequest{Process: process, Stdout: w})
//	exit, err := e.Wait(ctx)
//	err = c.Kill(unix.SIGTERM)  // m.Events() tells the exit
//	err = c.Delete(ctx)
//
// What Compile makes of a spec with one bind mount and one masked path, shortened (testdata/plans has whole ones):
//
//	r0 cgroup ; open the cgroup
//	r1 rootfs ; the root file system
//	plan: 2 files, clone NEWNS|NEWPID, cgroup r0, barrier
//	open the source of /data: /srv/data
//	  3 OPEN_TREE "/srv/data" flags=RECURSIVE|CLONE -> r2
//	isolate the mount namespace
//	  4 MOUNT on="/" flags=REC|SLAVE
//	attach the root file system
//	  5 MOVE_MOUNT r1 to="/"
//	mount /data
//	  6 MOUNT_SETATTR r2 set=RDONLY
//	  7 MKPOINT "/data" in=r1 like=r2 mode=0755 -> r3
//	  8 MOVE_MOUNT r2 to=r3
//	…
//	mask /proc/kcore
//	  20 OPENAT2 "/proc/kcore" at=r1 flags=PATH resolve=NO_MAGICLINKS|IN_ROOT -> r3; on ENOENT|ENOTDIR go to 29
//	…
//	enter the root file system
//	  30 PIVOT_ROOT "." old root="."
//	wait for the start
//	  40 BARRIER
//	exec /bin/app
//	  41 EXEC "/bin/app" argv=["/bin/app"] env=[]
package oci
