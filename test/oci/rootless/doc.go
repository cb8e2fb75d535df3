// SPDX-License-Identifier: Apache-2.0

// Package rootless tests crisp-oci for who is not root: an ordinary user with its own ID alone, one with IDs of its own in /etc/subuid, one with
// a delegated cgroup, and root of a user namespace, as the engines are that need no root. Each container says itself what it sees.
//
// # Terms
//
//   - A user is user 1000 with a home that is closed to all others, in which its bundles are, and a $XDG_RUNTIME_DIR.
//   - A bundle is what `crisp-oci spec --rootless` writes for that user, changed by the test, with busybox as its root file system.
//   - A delegation is a cgroup that was given to the user, with its commands in it.
//
// A test is: a user, a bundle, commands, and at its end the search for what was left behind.
//
//	u := newUser(t)
//	b := u.bundle("c", "id -u", func(s *specs.Spec) { s.Hostname = "box" })
//	b.prints("0\n")
//
// Run as root: go test ./test/oci/rootless, after make build.
package rootless
