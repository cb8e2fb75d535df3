// SPDX-License-Identifier: Apache-2.0

// Package command tests the command line of an OCI runtime: each command and each flag does with a real container what it does with runc, whose place
// crisp-oci takes. What a container is like inside is test/oci/conformance's.
//
//	go test ./test/oci/command                            # bin/crisp-oci; needs root
//	OCI_RUNTIME=/usr/sbin/runc go test ./test/oci/command # proves the tests: what an older runc lacks is skipped, with the reason
//
// Each test has a root directory and a cgroup of its own, and fails when something of it is left at its end (package leak).
package command
