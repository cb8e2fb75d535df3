// SPDX-License-Identifier: Apache-2.0

// Command probe is the workload of these tests. It is static and needs no file.
//
//	probe mkdir PATH        makes a directory, tells the error, and whether the directory is there
//	probe calls ABI         calls every number of native, i386 or x32 with arguments of ones, and tells the errors by name
//	probe call NR...        the same with single numbers of the native ABI
//	probe wait              sleeps until it is killed
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

func main() {
	runtime.LockOSThread()
	args := append(os.Args[1:], "", "")
	switch args[0] {
	case "mkdir":
		err := unix.Mkdir(args[1], 0o755)
		_, missing := os.Stat(args[1])
		fmt.Printf("%v, there: %v\n", err, missing == nil)
	case "calls":
		all(args[1])
	case "call":
		for _, a := range os.Args[2:] {
			nr, err := strconv.ParseUint(a, 0, 32)
			if err != nil {
				fmt.Println(err)
				os.Exit(64)
			}
			fmt.Println(unix.ErrnoName(native(uintptr(nr))))
		}
	case "wait":
		fmt.Println("ready")
		for {
			_ = unix.Pause()
		}
	default:
		os.Exit(64)
	}
}

// last is a number above all that there are.
const last = 600

func all(abi string) {
	call, skipped := native, skippedNative
	switch abi {
	case "native":
	case "i386":
		call, skipped = i386, skippedI386
	case "x32":
		call = func(nr uintptr) unix.Errno { return native(nr | 0x40000000) }
	default:
		os.Exit(64)
	}
	skip := map[uintptr]bool{}
	for _, nr := range skipped {
		skip[nr] = true
	}
	out := bufio.NewWriter(os.Stdout)
	var errs [last]unix.Errno
	for nr := range uintptr(last) {
		if !skip[nr] {
			errs[nr] = call(nr)
		}
	}
	for nr, err := range errs {
		if !skip[uintptr(nr)] {
			fmt.Fprintln(out, nr, unix.ErrnoName(err))
		}
	}
	if err := out.Flush(); err != nil {
		os.Exit(1)
	}
}

const ones = ^uintptr(0)

func native(nr uintptr) unix.Errno {
	_, _, err := unix.RawSyscall6(nr, ones, ones, ones, ones, ones, ones)
	return err
}
