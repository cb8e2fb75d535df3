// SPDX-License-Identifier: Apache-2.0

// Package network connects pods: network namespaces, CNI, the embedded bridge network, host ports, and connections into a
// pod for port-forward.
//
// Terms:
//
//   - A namespace is a pod's network namespace, pinned under the pod's ID so that it outlives processes (package netns).
//   - An attachment is all that connects a namespace: interfaces, addresses, routes, host ports. It is made one of two ways: by CNI
//     plugins, when the CNI directory has a configuration (package cni), or by the embedded bridge (package bridge).
//   - A record says that a pod is attached, or may be: it is on disk before anything is made, and goes last. Each way has its own.
//
// Life cycle of a pod's network:
//
//	              NewNamespace            Attach                       Detach            RemoveNamespace
//	(nothing) ────────────────▶ namespace ──────▶ namespace, attached ──────▶ namespace ─────────────────▶ (nothing)
//	                                │  ▲ undone         ▲ │
//	                                ▼  │ on failure     │ │ the namespace may go first (a reboot):
//	                              record, parts ────────┘ └──▶ Detach and GC work from the record
//
// Every arrow can be tried again, in any state, by this daemon or the next one. Nothing waits for the kernel to take namespaces or
// interfaces down; Close does, with a bound.
//
// A pod, from start to end:
//
//	m, err := network.New(network.Config{StateDir: "/run/crisp", DataDir: "/var/lib/crisp/network"})
//	path, err := m.NewNamespace(ctx, id)
//	pod := network.Pod{ID: id, NetNS: path, PortMappings: []network.PortMapping{{ContainerPort: 80, HostPort: 8080}}}
//	res, err := m.Attach(ctx, pod)             // res.IPs[0] is the pod's address
//	conn, err := network.Dial(ctx, path, 80)   // port-forward
//	err = m.Detach(ctx, pod)
//	err = m.RemoveNamespace(ctx, id)
//
// After a restart the caller says which pods it still has: GC(ctx, ids) detaches the others that an earlier daemon attached, and of
// Namespaces() those without a pod are to be removed.
package network
