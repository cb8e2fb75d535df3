// SPDX-License-Identifier: Apache-2.0

package seccomp

import "errors"

// Errors of Compile.
var (
	// ErrNoProfile: there is nothing to compile.
	ErrNoProfile = errors.New("no seccomp profile")
	// ErrInvalid: the profile breaks the runtime-spec.
	ErrInvalid = errors.New("invalid seccomp profile")
	// ErrTooLarge: the program would exceed the kernel's 4096 instructions (BPF_MAXINSNS).
	ErrTooLarge = errors.New("seccomp profile too large")
	// ErrArchitecture: this machine's architecture has no table of syscalls here.
	ErrArchitecture = errors.New("seccomp not supported on this architecture")
)
