// SPDX-License-Identifier: Apache-2.0

// Package build makes the programs that the lanes under test/ run: crisp itself, the tools pinned in test/tools/go.mod, the
// actor of the test images, and Debian's busybox, unpacked. Everything lands in test/.cache, by a name that holds a hash of
// what it was made from, and is made once.
//
// It is the only part of the lanes that may reach a network (Go's module proxy, Debian's archive).
package build
