// SPDX-License-Identifier: Apache-2.0

// Package engines has other people's programs run containers with crisp-oci in runc's place: podman, containerd and buildah,
// as Debian ships them. They know nothing of crisp, so what they get from it has to be what runc gives them: flags, exit codes, state,
// log format, statistics, and the console by a socket.
//
// Each test has an engine of its own, with its own directories, in a network and mount namespace (package isolate); containers are in cgroups
// below one that the test removes. What an engine itself leaves by design (its storage) is in the test's directory.
//
// The variable OCI_RUNTIME names another runtime, by its path, for a look at whether a test is right at all:
//
//	OCI_RUNTIME=/usr/sbin/runc go test ./test/engines
package engines
