// SPDX-License-Identifier: Apache-2.0

//go:build !amd64

package main

import "golang.org/x/sys/unix"

// Calls that would end the process, wait, or make another one.
var (
	skippedNative = []uintptr{
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_CLONE, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGSUSPEND, unix.SYS_SYNC,
	}
	skippedI386 []uintptr
)

func i386(_, _, _ uintptr) unix.Errno { return unix.ENOSYS }
