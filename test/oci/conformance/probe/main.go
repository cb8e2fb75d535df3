// SPDX-License-Identifier: Apache-2.0

// Command probe is the program that the containers of the conformance tests run. It answers questions about what it sees:
//
//	probe ask "umask" "stat /dev/null" "open /data/x rw"     print {"umask":"0022","stat /dev/null":"c 1:3 0666 0:0", …}
//	probe stay …                                             the same, then wait for SIGTERM (exit code 0) or SIGUSR1 (9)
//	probe exit 7                                             end with this code
//	probe hook NAME LOG [exit N | hang]                      append what a hook sees to LOG, as a line of JSON
//
// A question is a word and its arguments, separated by spaces; all of them are in questions. What the kernel refuses is answered
// by the name of the error: "EPERM".
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The kernel's answers about a thread are to be those of the one that the runtime started.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) < 2 {
		return
	}
	words := os.Args[2:]
	switch os.Args[1] {
	case "ask":
		answer(words)
	case "stay":
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, unix.SIGTERM, unix.SIGUSR1)
		answer(words)
		if s := <-signals; s == unix.SIGUSR1 {
			os.Exit(9)
		}
	case "exit":
		code, err := strconv.Atoi(words[0])
		fail(err)
		os.Exit(code)
	case "hook":
		hook(words)
	default:
		fail(fmt.Errorf("unknown word %q", os.Args[1]))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(70)
	}
}

// answer prints all answers, as one line.
func answer(asked []string) {
	answers := map[string]string{}
	for _, q := range asked {
		word, rest, _ := strings.Cut(q, " ")
		f := questions[word]
		if f == nil {
			fail(fmt.Errorf("unknown question %q", q))
		}
		text, err := f(strings.Fields(rest))
		if err != nil {
			text = errorName(err)
		}
		answers[q] = text
	}
	text, err := json.Marshal(answers)
	fail(err)
	_, err = os.Stdout.Write(append(text, '\n'))
	fail(err)
}

// errorName is "EPERM", or the error's text where the kernel has no number for it.
func errorName(err error) string {
	var e syscall.Errno
	if errors.As(err, &e) {
		return unix.ErrnoName(e)
	}
	return err.Error()
}

// questions by their first word.
var questions map[string]func(args []string) (string, error)

func init() {
	questions = map[string]func([]string) (string, error){
		// of the process
		"args": args, "env": env, "cwd": cwd, "umask": umask, "ids": ids, "groups": groups, "status": status, "caps": caps,
		"rlimit": rlimit, "sched": sched, "ioprio": ioprio, "affinity": affinity, "mempolicy": mempolicy, "personality": personality,
		"machine": machine, "fds": fds, "fd": fd, "terminal": terminal, "keyring": keyring, "session": session, "label": label,
		// of its namespaces
		"hostname": hostname, "domainname": domainname, "ns": namespace, "clock": clock, "links": links, "addresses": addresses,
		// of its files
		"mount": mount, "mounts": mounts, "read": read, "stat": stat, "readlink": readlink, "list": list, "xattr": xattr,
		// what it may do
		"open": open, "touch": touch, "write": write, "mkdir": mkdir, "chown": chown, "mknod": mknod, "device": device,
		"call": call, "child": child, "trace": trace, "thread": thread, "fill": fill, "ping": ping,
	}
}
