// SPDX-License-Identifier: Apache-2.0

// Package overlay makes overlayfs mounts that are in no mount namespace: a file descriptor is all there is of them.
//
//	m := overlay.Mounter{Scratch: "/var/lib/crisp/images/empty"}
//	f, err := m.Mount(overlay.Spec{Lower: []string{top, base}, Dir: "/var/lib/crisp/pods/…/c1"})
//
// Whoever gets the descriptor attaches it with move_mount in the container's mount namespace. Nothing is ever to be
// seen in the host's mount table, and when the daemon dies in between, the kernel drops the mount: no "device busy", nothing to clean up.
//
// Kernels differ in how layers can be handed over; the Mounter finds out and remembers:
//
//	6.15   FSCONFIG_SET_FD for each layer, detached ID-mapped clones too
//	6.13   FSCONFIG_SET_FD for each layer, but ID-mapped clones must be attached somewhere
//	6.7    "lowerdir+" for each layer, as /proc/self/fd/N (the kernel copies at most 255 bytes of a value)
//	older  one "lowerdir" with all layers, by mount(2)
//
// What the newer ways cannot do on a kernel is done in a thread with a mount namespace of its own, which is thrown away.
//
// # Durability
//
// The upper layer is not mounted "volatile". That option drops every fsync of the workload, so that a database in a container's
// root would lose what it has acknowledged when the power fails; and a directory that was mounted so refuses its next mount until
// somebody has judged it. A runtime cannot know that nobody cares.
package overlay
