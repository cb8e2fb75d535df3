// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

func args([]string) (string, error) {
	return fmt.Sprintf("%q", append([]string{os.Args[0]}, os.Args[1])), nil
}
func cwd([]string) (string, error) { return os.Getwd() }

// env NAME; env alone is all of it, in order.
func env(a []string) (string, error) {
	if len(a) == 0 {
		return strings.Join(os.Environ(), " "), nil
	}
	value, ok := os.LookupEnv(a[0])
	if !ok {
		return "unset", nil
	}
	return value, nil
}

func umask([]string) (string, error) {
	old := unix.Umask(0)
	unix.Umask(old)
	return fmt.Sprintf("%04o", old), nil
}

// ids: real, effective and saved user, then group.
func ids([]string) (string, error) {
	r, e, s := unix.Getresuid()
	gr, ge, gs := unix.Getresgid()
	return fmt.Sprint(r, e, s, gr, ge, gs), nil
}

func groups([]string) (string, error) {
	all, err := unix.Getgroups()
	slices.Sort(all)
	return strings.Trim(fmt.Sprint(all), "[]"), err
}

// status FIELD of /proc/self/status, of the first thread.
func status(a []string) (string, error) {
	text, err := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && name == a[0] {
			return strings.Join(strings.Fields(value), " "), nil
		}
	}
	return "no such field", err
}

// caps SET, one of Inh, Prm, Eff, Bnd, Amb: the numbers of those in it.
func caps(a []string) (string, error) {
	text, err := status([]string{"Cap" + a[0]})
	if err != nil {
		return "", err
	}
	bits, err := strconv.ParseUint(text, 16, 64)
	var set []string
	for i := range 64 {
		if bits>>i&1 != 0 {
			set = append(set, strconv.Itoa(i))
		}
	}
	return strings.Join(set, " "), err
}

// rlimit NUMBER: soft and hard.
func rlimit(a []string) (string, error) {
	n, err := strconv.Atoi(a[0])
	if err != nil {
		return "", err
	}
	var l unix.Rlimit
	err = unix.Getrlimit(n, &l)
	return limit(l.Cur) + " " + limit(l.Max), err
}

func limit(n uint64) string {
	if n == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// sched: sched_getattr(2).
func sched([]string) (string, error) {
	a, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("policy=%d nice=%d priority=%d flags=%#x runtime=%d deadline=%d period=%d",
		a.Policy, a.Nice, a.Priority, a.Flags, a.Runtime, a.Deadline, a.Period), nil
}

// ioprio: class and priority (ioprio_get(2)).
func ioprio([]string) (string, error) {
	const whoProcess = 1
	n, _, e := unix.Syscall(unix.SYS_IOPRIO_GET, whoProcess, 0, 0)
	if e != 0 {
		return "", e
	}
	return fmt.Sprint(n>>13, n&(1<<13-1)), nil
}

func affinity([]string) (string, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return "", err
	}
	var cpus []string
	for i := range 1024 {
		if set.IsSet(i) {
			cpus = append(cpus, strconv.Itoa(i))
		}
	}
	return strings.Join(cpus, " "), nil
}

// mempolicy: mode with its flags, and the mask of nodes (get_mempolicy(2)).
func mempolicy([]string) (string, error) {
	var mode int32
	var nodes [16]uint64
	_, _, e := unix.Syscall6(unix.SYS_GET_MEMPOLICY, uintptr(unsafe.Pointer(&mode)), uintptr(unsafe.Pointer(&nodes)), 1024, 0, 0, 0)
	if e != 0 {
		return "", e
	}
	return fmt.Sprintf("%#x %#x", mode, nodes[0]), nil
}

// personality: personality(2) with what changes nothing.
func personality([]string) (string, error) {
	n, _, e := unix.Syscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0)
	if e != 0 {
		return "", e
	}
	return fmt.Sprintf("%#x", n), nil
}

func machine([]string) (string, error) {
	var u unix.Utsname
	err := unix.Uname(&u)
	return unix.ByteSliceToString(u.Machine[:]), err
}

// limitOfGo are files that Go's runtime holds open, to know how many processors it has.
var limitOfGo = map[string]bool{"cpu.cfs_quota_us": true, "cpu.cfs_period_us": true, "cpu.max": true}

// fds: the numbers that are open, but for those that this process itself has opened.
func fds([]string) (string, error) {
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return "", err
	}
	var open []int
	for _, n := range names {
		number, _ := strconv.Atoi(filepath.Base(n)) // the kernel gives nothing else
		target, err := os.Readlink(n)
		if err != nil || strings.HasPrefix(target, "anon_inode:[event") || strings.HasPrefix(target, "/proc/") || limitOfGo[filepath.Base(target)] {
			continue // the list itself, and what Go's runtime waits with
		}
		open = append(open, number)
	}
	slices.Sort(open)
	return strings.Trim(fmt.Sprint(open), "[]"), nil
}

func fd(a []string) (string, error) { return os.Readlink("/proc/self/fd/" + a[0]) }

// terminal of stdin: rows and columns.
func terminal([]string) (string, error) {
	size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(size.Row, size.Col), nil
}

// session: "leader" of a session and of the terminal's foreground, or what is missing.
func session([]string) (string, error) {
	sid, err := unix.Getsid(0)
	if err != nil {
		return "", err
	}
	if sid != os.Getpid() {
		return fmt.Sprint("session ", sid), nil
	}
	pgrp, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	if err != nil {
		return "leader without a terminal", nil //nolint:nilerr // that is the answer
	}
	if pgrp != unix.Getpgrp() {
		return "leader in the background", nil
	}
	return "leader in the foreground", nil
}

// keyring: the description of the session's.
func keyring([]string) (string, error) {
	id, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if err != nil {
		return "", err
	}
	text, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, id)
	return text[strings.LastIndexByte(text, ';')+1:], err
}

// label: of AppArmor, or of whatever module there is.
func label([]string) (string, error) {
	for _, path := range []string{"/proc/self/attr/apparmor/current", "/proc/self/attr/current"} {
		if text, err := os.ReadFile(path); err == nil {
			return strings.TrimRight(string(text), "\n\x00"), nil
		}
	}
	return "none", nil
}
