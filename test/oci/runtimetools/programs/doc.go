// SPDX-License-Identifier: Apache-2.0

// Package programs is a module of its own that pins opencontainers/runtime-tools, whose last release knows no modules, and
// versions of what it imports with which it compiles: runtime-spec 1.0.2 is the nearest release to the commit in its Godeps, and
// go-selinux v1.2.2 the last one with FileLabel. Nothing of it is linked into crisp.
package programs
