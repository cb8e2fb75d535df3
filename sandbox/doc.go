// SPDX-License-Identifier: Apache-2.0

// Package sandbox is the life of pods and containers: it makes them, stops and removes them, answers for them, and finds them
// again after a restart of the daemon or the node.
//
// # Terms
//
//   - A pod (the CRI's sandbox) is a pause process that holds the pod's namespaces, a network attachment, a few generated files,
//     and a monitor (package conmon) that is the parent of all of the pod's processes.
//   - A container is a root file system, a config.json (package spec), and a process that the monitor has made by it.
//   - A record (package record) says what an object was asked to be, its status what became of it.
//   - A job (package job) is an operation that belongs to the daemon: callers join it, and may leave.
//   - Ready, ended and stopped are facts about a pod, each with its time: all was made; pause or the monitor is dead; all was released.
//
// # A pod's life
//
//	           RunPod                                    StopPod
//	(intent) ──────────▶ READY ── pause or monitor died ──┐   │
//	    │                  │      or the node rebooted    ▼   ▼
//	    │                  └────────────────────────▶ NOTREADY ──▶ NOTREADY ── RemovePod ──▶ gone
//	    └─ failed, or the daemon was killed ──▶ gone    ended       stopped
//
// # A container's life
//
//	          CreateContainer           StartContainer
//	(intent) ─────────────────▶ CREATED ──────────────▶ RUNNING
//	    │                          │  │ exec failed       │ exit, OOM, StopContainer, monitor died, reboot
//	    │                  killed, │  │ (StartError, 128) │
//	    │                  reboot  ▼  ▼                   ▼
//	    │                         EXITED ◀────────────────┘
//	    └─ failed ──▶ gone           └── RemoveContainer ──▶ gone
//
// The states are derived from the records' facts (podState, containerState); update and exited are the only ways to change them.
//
// # Who holds what
//
// Reads (List, Status, Stats) take snapshots by atomic pointers and wait for nothing. Operations on one object take its opLock,
// which can be given up on; stopping takes none, so that nothing that is stuck can keep a container alive. Creations of containers enter the
// pod's gate, which its stop shuts.
//
// Everything in the kernel has a name that is made of the object's ID (layout.go, cgroup_path.go), and the record is on disk before the
// first of it is made. So there is one way to let go of an object, by its ID: releasePod and releaseContainer. They serve
// failed creations, stops, removals, left-overs of a crash and reboots, and can be repeated at any point.
//
// # The packages below
//
//	job       operations that callers join           record   what is on disk
//	spec      CRI config → config.json               signals  names and numbers of signals
//	stdio     pipes between a process and a client   proctree kill a process with its children
//	measure   cgroup counters → CRI stats
//
// # The files to read first
//
//	run_pod.go, create.go, start.go      how things come to be
//	stop.go, stop_pod.go, remove.go      and go; release.go is what these have in common
//	watch.go                             what monitors tell
//	restore.go, fate.go, reconnect.go    what happens after a restart
//
// # Example
//
//	m, err := sandbox.New(ctx, sandbox.Config{Root: "/var/lib/crisp", State: "/run/crisp", Images: images, Network: net, OCI: rt})
//	pod, err := m.RunPod(ctx, podConfig, "")
//	ctr, err := m.CreateContainer(ctx, &runtime.CreateContainerRequest{PodSandboxId: pod, Config: ctrConfig})
//	err = m.StartContainer(ctx, ctr)
//	out, _, code, err := m.ExecSync(ctx, ctr, []string{"date"}, 5*time.Second)
//	err = m.RemovePod(ctx, pod)
package sandbox
