// SPDX-License-Identifier: Apache-2.0

//go:debug containermaxprocs=0

// Command attacker is the workload of the security tests: a static program that does, inside a container, what an attacker would
// try, and prints what came of it. The debug setting keeps the Go runtime from opening cgroup files.
//
//	attacker look PATH…         prints a report.Report
//	attacker hook FILE          appends a report.Report to a file, with what came on stdin
//	attacker exit CODE          ends with a code
//	attacker wait               prints "ready" and waits for SIGTERM
//	attacker watch FILE         looks at the other processes all the time, counts its rounds in FILE, prints sightings on SIGTERM
//	attacker overwrite          tries to write to what other processes execute
//	attacker swap A B           exchanges two files until SIGTERM
//	attacker spoil              changes the mode of its stdin, stdout and stderr
//	attacker write PATH TEXT    writes into a file and prints the error
//	attacker mknod TYPE MAJ MIN makes a device node, opens it, and prints the errors
//	attacker cgroup             tries the ways out by cgroups, and prints what was possible
//	attacker call ABI NR ARG…   makes a system call by the ABI amd64, x32 or i386 and prints its result
//	attacker search NAME        looks for a key in all keyrings that it has, and prints what it holds
//	attacker connect PATH       connects to a Unix socket and prints the error
//	attacker handle             opens a file of the host by its handle (CAP_DAC_READ_SEARCH) and prints the error
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strconv"

	"golang.org/x/sys/unix"
)

func main() {
	fds := descriptors() // first of all: nothing of our own is open yet
	if len(os.Args) < 2 {
		os.Args = append(os.Args, "look")
	}
	args := os.Args[2:]
	switch os.Args[1] {
	case "look":
		emit(look(fds, args))
	case "hook":
		hook(fds, args[0])
	case "exit":
		code, _ := strconv.Atoi(args[0])
		os.Exit(code)
	case "wait":
		fmt.Println("ready")
		<-terminated()
	case "watch":
		watch(args[0])
	case "overwrite":
		overwrite()
	case "swap":
		swap(args[0], args[1])
	case "spoil":
		for fd := range 3 {
			_ = unix.Fchmod(fd, 0) // the test looks what came of it
		}
	case "write":
		fmt.Println(write(args[0], args[1]))
	case "mknod":
		mknod(args)
	case "cgroup":
		cgroups()
	case "call":
		call(args)
	case "search":
		search(args[0])
	case "connect":
		connect(args[0])
	case "handle":
		handle()
	default:
		os.Exit(64)
	}
}

func terminated() chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGTERM)
	return c
}

func emit(v any) {
	if err := json.NewEncoder(os.Stdout).Encode(v); err != nil {
		os.Exit(1)
	}
}

// words is the text of an error, "" for none.
func words(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
