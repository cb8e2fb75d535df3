// SPDX-License-Identifier: Apache-2.0

// Package netdevice moves network devices of the host into a container's network namespace (linux.netDevices).
//
// # Terms
//
//   - A device is what ip-link(8) shows: physical, or virtual as a veth. It is in one network namespace at a time.
//   - Its addresses are the namespace's: the kernel drops them when it moves. Those that somebody set to stay (IFA_F_PERMANENT) and that
//     are valid everywhere (RT_SCOPE_UNIVERSE) are given to it again; its MTU, hardware address and queues stay with it.
//   - A template is a new name that ends in "%d": the first number that is free in the namespace takes its place.
//
// # Life cycle
//
//	host: eth1, up, 10.0.0.5/24
//	  │ Move: look at it, its name and its addresses; is the new name free?
//	  │       set it down, move and rename it in one request, add the addresses, set it up
//	  ▼
//	container: net1, up, 10.0.0.5/24 ── Undo ──▶ host: eth1, up, 10.0.0.5/24
//	  │ Release: it is the container's now
//	  ▼
//	the namespace ends: the kernel gives a physical device back to the host's first namespace, as net1, and destroys a virtual one
//
// The runtime does not move a device back when the container ends, as the runtime spec demands (config-linux.md, "Namespace Lifecycle
// and Container Termination"): a namespace may outlive the container, and it may end without a runtime there to see it. Undo is for
// containers that could not be created. It does not bring back the host's routes over the device.
//
// What is said to the kernel is rtnetlink(7): four kinds of requests, which wire.go writes and reads. A library for all of it would be
// the largest part of crisp-oci.
//
// # Worked example
//
//	m, err := netdevice.Move(map[string]specs.LinuxNetDevice{"eth1": {Name: "net1"}}, namespace)
//	…                 // the container cannot be created
//	err = m.Undo()    // or m.Release()
package netdevice
