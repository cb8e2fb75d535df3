// SPDX-License-Identifier: Apache-2.0

// Package netns makes, pins, enters and removes network namespaces.
//
// A namespace lives as long as something refers to it: a process in it, an open file, or a mount. A pod's namespace must
// outlive its processes, the daemon and the daemon's open files, so it has a pin: a bind mount of
// /proc/thread-self/ns/net on an empty file that is named by the pod's ID.
//
//	<state>/netns              a mount point of its own, private: pins made below it reach no other mount namespace
//	<state>/netns/<pod ID>     an empty file, and on it the mount that is the pin
//
// Life cycle of a pin:
//
//	(absent) ──create file──▶ empty file ──bind──▶ pinned ──umount, unlink──▶ (absent)
//
// A crash leaves one of these three. List gives the ID for the second and the third, and Remove brings both to the first. The
// kernel takes a namespace down after its last reference has gone, on a work queue of its own (cleanup_net): nobody waits for it.
//
// A network namespace is a property of a thread. Enter runs a function on a thread that is locked to one goroutine
// and moved there, and moves it back afterwards; a thread that cannot be moved back is thrown away with its goroutine, so
// that no other goroutine ever runs in a foreign namespace. Sockets belong to the namespace they were made in, for good: make
// them inside and use them anywhere.
//
//	ns, err := netns.Open("/run/crisp/netns/0123…")
//	defer ns.Close()
//	err = netns.Enter(ns, func() error {
//		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
//		return err
//	})
//
// Go cannot make a namespace that belongs to another user namespace than the daemon's: setns(2) into a user namespace
// is EINVAL for a process with threads. Whoever can (the pod's monitor) makes it, and Pins.Pin takes it from there.
package netns
