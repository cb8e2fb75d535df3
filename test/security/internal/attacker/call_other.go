// SPDX-License-Identifier: Apache-2.0

//go:build !amd64

package main

import "syscall"

// call32 has no second ABI to use on other machines.
func call32(uint32, uint32, uint32, uint32) uint32 { return uint32(-int32(syscall.ENOSYS)) }
