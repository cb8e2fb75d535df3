// SPDX-License-Identifier: Apache-2.0

// Package hook runs hooks of a config.json (runtime-spec config.md, "POSIX-platform Hooks"): programs of the administrator that get the
// container's state as JSON on their stdin.
//
// # Terms
//
//   - A kind is one of the six moments at which hooks run.
//   - The state is runtime.md's: ociVersion, id, status, pid, bundle, annotations.
//   - The output of a hook, stdout and stderr together, goes into its error; of more than 4 KiB the end.
//   - A runner makes the process of a hook: Command in our own namespaces; package oci has one for hooks that run in a container.
//
// # The six kinds
//
//	kind             namespaces   when                                                    status    a failure
//	prestart         ours         the container's mounts are made, its root not entered   creating  ends the container
//	createRuntime    ours         after prestart                                          creating  ends the container
//	createContainer  its          after createRuntime                                     creating  ends the container
//	startContainer   its          start was called, the workload is not executed yet      created   ends the container
//	poststart        ours         the workload runs                                       running   ends the container
//	poststop         ours         the container is deleted                                stopped   is a warning
//
// # Worked example
//
//	l := hook.List{Kind: hook.CreateRuntime, Hooks: spec.Hooks.CreateRuntime}
//	state := specs.State{Version: spec.Version, ID: "c1", Status: specs.StateCreating, Pid: 4711, Bundle: "/run/c1"}
//	err := l.Run(ctx, state, hook.Command("/run/c1"))
//	// hooks.createRuntime[1]: /usr/bin/gpu-setup: exit status 2: no such device
package hook
