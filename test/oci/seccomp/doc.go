// SPDX-License-Identifier: Apache-2.0

// Package seccomp runs containers with seccomp profiles by the command line of the runtime, and by runc's beside it: what a profile
// means is what runc makes of it, since profiles were written against that. Tests of single calls are package oci/seccomp's, which
// interpret programs; here the kernel does.
//
//	go test ./test/oci/seccomp                                  as root
//	OCI_RUNTIME=… RUNC=… go test ./test/oci/seccomp             other programs
package seccomp
