// SPDX-License-Identifier: Apache-2.0

package main

// entry is in assembly. The Makefile makes it the program's entry; a build without that has the Go runtime's.
//
//lint:ignore U1000 the linker's flag -E names it
func entry()
