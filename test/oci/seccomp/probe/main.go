// SPDX-License-Identifier: Apache-2.0

// Command probe is the workload of these tests. It is static and needs no file.
//
//	probe mkdir PATH        makes a directory, tells the error, and whether the directory is there
//	probe calls ABI         calls every number of native, i386 or x32 with arguments of ones, and tells the errors by name
//	probe call ABI NR:A:B   the same with one number, and its first two arguments
//	probe wait              sleeps until it is killed
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	runtime.LockOSThread()
	args := append(os.Args[1:], "", "")
	switch args[0] {
	case "mkdir":
		err := unix.Mkdirat(unix.AT_FDCWD, args[1], 0o755)
		_, missing := os.Stat(args[1])
		fmt.Printf("%v, there: %v\n", err, missing == nil)
	case "calls":
		all(args[1])
	case "call":
		one(args[1], os.Args[3:])
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

// one makes single calls.
func one(abi string, calls []string) {
	call, _ := callsOf(abi)
	for _, c := range calls {
		words := [3]uintptr{0, ones, ones}
		for i, w := range strings.SplitN(c, ":", len(words)) {
			v, err := strconv.ParseUint(w, 0, 64)
			if err != nil {
				fmt.Println(err)
				os.Exit(64)
			}
			words[i] = uintptr(v)
		}
		fmt.Println(c, unix.ErrnoName(call(words[0], words[1], words[2])))
	}
}

// callsOf returns what makes calls of an ABI with all arguments but two of ones, and the numbers that it must not.
func callsOf(abi string) (call func(nr, a, b uintptr) unix.Errno, skipped []uintptr) {
	switch abi {
	case "native":
		return native, skippedNative
	case "i386":
		return i386, skippedI386
	case "x32":
		return func(nr, a, b uintptr) unix.Errno { return native(nr|0x40000000, a, b) }, skippedNative
	}
	os.Exit(64)
	return nil, nil
}

func all(abi string) {
	call, skipped := callsOf(abi)
	skip := map[uintptr]bool{}
	for _, nr := range skipped {
		skip[nr] = true
	}
	out := bufio.NewWriter(os.Stdout)
	var errs [last]unix.Errno
	for nr := range uintptr(last) {
		if !skip[nr] {
			errs[nr] = call(nr, ones, ones)
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

func native(nr, a, b uintptr) unix.Errno {
	_, _, err := unix.RawSyscall6(nr, a, b, ones, ones, ones, ones)
	return err
}
