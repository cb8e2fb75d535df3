// SPDX-License-Identifier: Apache-2.0

package main

// call32 makes a system call by the i386 ABI.
func call32(nr, a, b, c uint32) uint32
