// SPDX-License-Identifier: Apache-2.0

// Package runtimetools runs the validation programs of opencontainers/runtime-tools v0.9.0 (module in ./programs) against a
// runtime.
//
// # Terms
//
//   - A program is one of the main packages below validation/. It prints TAP, and sometimes only a YAML block with an "error".
//   - A program passes when its exit code is 0, no line is "not ok" and no block that follows no assertion holds an error.
//   - passing.txt lists the programs that Debian's runc or crun pass on a host with cgroup v1, with the number of assertions. All of them
//     must pass with crisp-oci; programs of its neighbours may pass beside them.
//
// runc 1.5 fails nearly all of them: the default config's seccomp profile is older than statx, which runc calls under it.
//
// # How a program runs
//
//	the test ── clone(NEWPID, NEWNS) ──▶ this binary again, init of its pid namespace: private mounts, tmpfs at /run and /tmp,
//	                                     a /dev/null of its own (isolate.PrivateNull says why),
//	                                     for crun no /sys/fs/cgroup/unified (it refuses hybrid hosts)
//	                                     └─ the program ── $RUNTIME create, start, …
//
// Nothing that a program leaves outlives that init, but cgroups, which the lane removes.
//
//	OCI_RUNTIME=/usr/sbin/runc go test ./test/oci/runtimetools            another runtime
//	go test ./test/oci/runtimetools -run TestPinned -update               compute passing.txt anew
package runtimetools
