// SPDX-License-Identifier: Apache-2.0

// Package snapshot compares what containers see under crisp-oci with what they see under Debian 12's runc and crun: for each of some
// twenty configurations one container per runtime, whose process tells everything about its place. What is not the same stands in a
// file with the reason.
//
// # Terms
//
//   - A config is a config.json with a name (configs_test.go): plain, podman, pod, privileged, …
//   - The probe (probe/probe.c) is the process of every container. It prints facts, one a line: "mount 3", "status CapEff", …
//   - An item is a fact that was made comparable (facts_test.go): without identifiers, with names for the directories of the test.
//   - A difference is an item of which not all runtimes show the same. differences.cgroup1.txt and differences.cgroup2.txt list them, by
//     cgroup version: which configs, what each runtime shows, and why. One that is not listed fails the test, and so does a listed
//     one that is not there any more.
//
// The lists hold for one version of each peer, those of Debian 12: with others the test skips and says so.
//
//	go test ./test/oci/snapshot                         compare (root)
//	go test ./test/oci/snapshot -run /podman -v         one config; what is listed but not seen does not fail then
//	go test ./test/oci/snapshot -update                 write the list anew; new differences get the reason "?", which fails
//
// # Worked example
//
// Each runtime covers masked directories in its own way. The list says:
//
//	flags (masked directory)
//		configs: plain podman …
//		crisp: ro,nosuid,nodev,noexec,relatime
//		runc crun: ro,relatime
//		why: @mask-directories
//
// and at its top, once, what @mask-directories is.
package snapshot
