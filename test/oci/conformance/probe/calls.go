// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// numbers of the system calls that filters are tried with: nothing that Go's runtime needs.
var numbers = map[string]uintptr{
	"getpgid": unix.SYS_GETPGID, "getpriority": unix.SYS_GETPRIORITY, "getsid": unix.SYS_GETSID, "sync": unix.SYS_SYNC,
	"kexec_load": unix.SYS_KEXEC_LOAD, "setdomainname": unix.SYS_SETDOMAINNAME, "personality": unix.SYS_PERSONALITY,
	"mincore": unix.SYS_MINCORE, "swapon": unix.SYS_SWAPON, "acct": unix.SYS_ACCT, "getitimer": unix.SYS_GETITIMER, "tee": unix.SYS_TEE,
	"vmsplice": unix.SYS_VMSPLICE, "readahead": unix.SYS_READAHEAD, "unshare": unix.SYS_UNSHARE,
}

// call NAME ARGUMENTS…: "ok", or the error. A number in NAME's place is one.
func call(a []string) (string, error) {
	nr, ok := numbers[a[0]]
	if !ok {
		n, err := strconv.ParseUint(a[0], 0, 32)
		if err != nil {
			return "", fmt.Errorf("system call %q?", a[0])
		}
		nr = uintptr(n)
	}
	var six [6]uintptr
	for i, text := range a[1:] {
		n, err := strconv.ParseUint(text, 0, 64)
		if err != nil {
			return "", err
		}
		six[i] = uintptr(n)
	}
	if _, _, e := unix.RawSyscall6(nr, six[0], six[1], six[2], six[3], six[4], six[5]); e != 0 {
		return "", e
	}
	return "ok", nil
}

// child QUESTION: how a process ends that asks it: its answer, "killed: bad system call", or "caught: …" where Go's handler of the signal
// took it.
func child(a []string) (string, error) {
	q := strings.Join(a, " ")
	cmd := exec.Command("/proc/self/exe", "ask", q)
	cmd.Args[0] = "probe"
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return strings.TrimSpace(string(out)), err
	}
	if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
		return "killed: " + status.Signal().String(), nil
	}
	if first, _, _ := strings.Cut(string(out), "\n"); strings.HasPrefix(first, "SIGSYS") {
		return "caught: " + first, nil
	}
	return exit.Error() + string(out), nil
}

// trace QUESTION: the message of the filter that a tracer gets while a child asks it (SECCOMP_RET_TRACE, PTRACE_EVENT_SECCOMP).
func trace(a []string) (string, error) {
	cmd := exec.Command("/proc/self/exe", "ask", strings.Join(a, " "))
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	pid := cmd.Process.Pid
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil {
		return "", err
	}
	if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACESECCOMP|unix.PTRACE_O_EXITKILL|unix.PTRACE_O_TRACECLONE); err != nil {
		return "", err
	}
	for who, sig := pid, 0; ; {
		if err := unix.PtraceCont(who, sig); err != nil && !errors.Is(err, unix.ESRCH) { // a thread that has ended
			return "", err
		}
		var err error
		if who, err = unix.Wait4(-1, &status, unix.WALL, nil); err != nil {
			return "", err
		}
		sig = 0
		switch {
		case status.Exited() && who == pid:
			return "not traced", nil
		case status.Stopped() && status.TrapCause() == unix.PTRACE_EVENT_SECCOMP:
			message, err := unix.PtraceGetEventMsg(who)
			_ = cmd.Process.Kill()
			reap(pid)
			return fmt.Sprint("message ", message), err
		case status.Stopped() && status.StopSignal() != unix.SIGTRAP && status.StopSignal() != unix.SIGSTOP:
			sig = int(status.StopSignal())
		}
	}
}

// reap waits for a traced process: its first thread ends when all others have been waited for.
func reap(pid int) {
	for {
		who, err := unix.Wait4(-1, nil, unix.WALL, nil)
		if who == pid || err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// hook NAME LOG [exit N | hang].
func hook(a []string) {
	fail(logHook(a[0], a[1]))
	switch {
	case len(a) == 4 && a[2] == "exit":
		code, err := strconv.Atoi(a[3])
		fail(err)
		fmt.Fprintln(os.Stderr, "the hook's last words")
		os.Exit(code)
	case len(a) == 3 && a[2] == "hang":
		select {}
	}
}

// fill MEBIBYTES of memory.
func fill(a []string) (string, error) {
	n, err := strconv.Atoi(a[0])
	if err != nil {
		return "", err
	}
	memory := make([]byte, n<<20)
	for i := range memory {
		memory[i] = byte(i >> 12)
	}
	return fmt.Sprint("ok ", memory[len(memory)/2]%2), nil
}

// thread CALL…: a second thread makes the call. "ended" when the call was the end of that thread and of no other.
func thread(a []string) (string, error) {
	tid, done := make(chan int), make(chan string)
	go func() {
		runtime.LockOSThread()
		tid <- unix.Gettid()
		nr := numbers[a[0]]
		_, _, e := unix.Syscall(nr, 0, 0, 0) // not raw: Go is to know that the thread is away
		if e != 0 {
			done <- unix.ErrnoName(e)
			return
		}
		done <- "ok"
	}()
	id := <-tid
	for {
		select {
		case text := <-done:
			return text, nil
		case <-time.After(time.Millisecond):
		}
		if _, err := os.Stat("/proc/self/task/" + strconv.Itoa(id)); err != nil {
			return "ended", nil //nolint:nilerr // that is the answer
		}
	}
}
