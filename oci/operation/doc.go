// SPDX-License-Identifier: Apache-2.0

// Package operation carries out the commands of crisp-oci: it keeps containers' records below a root directory and drives package
// oci. There is no daemon and no monitor. Each command is a process of its own, and what one needs to know of another it reads
// from the record and from the kernel.
//
// # Terms
//
//   - A root is a directory of containers, /run/crisp-oci as a rule: <root>/<id>/ with record.json and start.sock. Its lock
//     (flock of <root>/<id>) is held by commands that change the container; those that only look or kill take none. <root>/@seccomp keeps
//     compiled profiles (package oci/seccomp/cache).
//   - A record says what the container is (its bundle, its cgroup, its first process) and never in what state it is. Behind it in its
//     file is the config.json that the container was made of.
//   - The state is derived from facts: whether that process is alive, whether it is frozen, whether it listens at start.sock.
//   - The executor of a plan is crisp-conmon in its once mode: it lives as long as the plan takes, and the process is ours.
//   - The foreground is a process that we wait for: our caller's signals, terminal and exit code are its.
//
// # Life cycle
//
//	          record written: from here on delete finds all there will be
//	             │            process at its barrier, listening at start.sock
//	Create ──────┴──────────────▶ created ── Start ──▶ running ◀─ Pause, Resume ─▶ paused
//	                                 │                    │ exit, Kill
//	                                 └────── Kill ────────┴──▶ stopped ── Delete ──▶ gone: the cgroup, then the record
//	Run = Create and Start in one plan without a barrier, wait, Delete
//
// A Create that fails, at any step, undoes what it did. One that is killed leaves a record whose process and cgroup Delete finds.
//
// # Where the files are
//
//	record.go record_text.go kept.go lock.go state.go process.go    what is kept, and what is derived
//	bundle.go id.go files.go signal.go        what comes from outside
//	create.go start.go run.go kill.go delete.go pause.go exec.go    the commands
//	events.go rdt.go checkpoint.go restore.go                       more of them
//	rootless.go                               where a cgroup is that somebody without rights makes
//	once.go                                   the executor
//	foreground.go terminal.go console.go sinks.go pidfile.go notify.go    what connects a process with our caller
//
// # Worked example
//
//	r := operation.New(operation.Config{Root: "/run/crisp-oci", Log: log})
//	config, err := operation.LoadConfig(bundle)
//	err = r.Create(ctx, operation.CreateRequest{ID: "c1", Bundle: bundle, Config: config})
//	s, err := r.State("c1")                                                  // created, pid
//	err = r.Start(ctx, "c1")
//	err = r.Kill(ctx, "c1", operation.KillRequest{Signal: unix.SIGTERM})
//	err = r.Delete(ctx, "c1", false)
package operation
