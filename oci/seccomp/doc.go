// SPDX-License-Identifier: Apache-2.0

// Package seccomp compiles the seccomp profile of an OCI runtime config (linux.seccomp) into the classic BPF
// program and the flags that seccomp(2) takes. It is pure Go, needs no libseccomp, and does no I/O.
package seccomp
