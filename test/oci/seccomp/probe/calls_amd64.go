// SPDX-License-Identifier: Apache-2.0

package main

import "golang.org/x/sys/unix"

// Calls that would end the process, wait, or make another one: exit, fork, pause, sigreturn, sync and the like.
var (
	skippedNative = []uintptr{
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_CLONE, unix.SYS_PAUSE, unix.SYS_RT_SIGRETURN,
		unix.SYS_RT_SIGSUSPEND, unix.SYS_SYNC, 335, 336, // uretprobe and uprobe: SIGILL
		512, 513, 519, 520, 545, // x32's own of those, which some kernels have for all
	}
	skippedI386 = []uintptr{1, 252, 2, 190, 120, 29, 119, 173, 72, 179, 36, 113, 166}
)

// int80 makes an i386 call with all arguments but two of ones.
func int80(nr, a, b uint32) (result int32)

func i386(nr, a, b uintptr) unix.Errno {
	if r := int80(uint32(nr), uint32(a), uint32(b)); r < 0 && r > -4096 {
		return unix.Errno(-r)
	}
	return 0
}
