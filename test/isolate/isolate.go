// SPDX-License-Identifier: Apache-2.0

// Package isolate runs a lane in namespaces of its own, so that it changes nothing of the machine and two lanes do not meet:
//
//	program (outer)  subreaper, prepares what needs a network, then starts itself again
//	└─ program (inner)  new network, mount and IPC namespaces; "eth0" 192.0.2.1/24 with the default route
//	   ├─ crisp serve
//	   └─ crisp-conmon …  orphans of a killed daemon come to the outer one
//
// When the inner process ends, the outer one kills all that is left of its descendants; the namespaces end with them. What a
// lane leaves behind is found earlier, by package leak.
package isolate

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// env marks the inner process and holds the outer one's pid.
const env = "CRISP_TEST_ISOLATED"

// Outer is the pid of the outer process; 0 when this process is not an inner one.
func Outer() int {
	pid, err := strconv.Atoi(os.Getenv(env))
	if err != nil {
		return 0
	}
	return pid
}

// Run calls inner inside the namespaces and returns its exit code. In the outer process it calls prepare first, for
// what needs the machine's network. Needs root.
func Run(prepare func() error, inner func() int) int {
	run := func() (int, error) { return outer(prepare) }
	if Outer() != 0 {
		run = func() (int, error) {
			if err := setUpNetwork(); err != nil {
				return 1, fmt.Errorf("network of the lane: %w", err)
			}
			return inner(), nil
		}
	}
	code, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func outer(prepare func() error) (int, error) {
	if os.Geteuid() != 0 {
		return 1, errors.New("this lane needs root")
	}
	if err := prepare(); err != nil {
		return 1, err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 1, fmt.Errorf("become subreaper: %w", err)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT)
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), env+"="+strconv.Itoa(os.Getpid()))
	// With CLONE_NEWNS in Unshareflags, package os/exec makes all mounts private.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC}
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("start the lane in new namespaces: %w", err)
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // gone already: nothing to tell
		}
	}()
	status, err := reapUntil(cmd.Process.Pid)
	killDescendants()
	if err != nil {
		return 1, err
	}
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// reapUntil waits as init does: for every orphan that comes to this process, until pid has ended.
func reapUntil(pid int) (unix.WaitStatus, error) {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return status, fmt.Errorf("wait for the lane: %w", err)
		}
		if got == pid {
			return status, nil
		}
	}
}

// killDescendants ends everything that the inner process left: a killed process hands its children to this one.
func killDescendants() {
	for {
		children, err := Children(os.Getpid())
		if err != nil || len(children) == 0 {
			return
		}
		for _, pid := range children {
			_ = unix.Kill(pid, unix.SIGKILL)
			_, _ = unix.Wait4(pid, nil, 0, nil)
		}
	}
}
