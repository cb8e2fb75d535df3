// SPDX-License-Identifier: Apache-2.0

// Package security attacks an OCI runtime through its command line: each attack on runc, crun and their like that became known (and some
// that did not) as a test, from inside a container where it can be. README.md has the list, and says for each test which weakening of
// crisp-oci makes it fail: a test that was never seen to fail proves nothing.
//
// # Terms
//
//   - The engine is the runtime under test: crisp-oci, built from this tree, or the command line in $SECURITY_RUNTIME ("runc").
//   - The attacker (internal/attacker) is the workload: it tries, and reports what was possible (internal/report).
//   - A trap is a directory of the host that nothing may touch. It is where hostile symlinks lead to.
//   - A stopper (stopper_test.go) holds the runtime's processes before each of their system calls, so that a race is lost or won always.
//   - A weakening (weakened/NAME.patch) takes one defence away. Package weaken applies it to a copy of the tree.
//
// # Worked example
//
//	b := newBench(t)
//	k := b.bundle("look", "/proc/kcore")       // a bundle whose workload is "attacker look /proc/kcore"
//	k.spec.Linux.MaskedPaths = …
//	r := k.run().report()                      // crisp-oci run; what the attacker saw
//	if r.Paths["/proc/kcore"].Read != "" { … }
package security
