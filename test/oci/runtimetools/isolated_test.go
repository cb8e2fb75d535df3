// SPDX-License-Identifier: Apache-2.0

package runtimetools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"crisp/test/isolate"

	"golang.org/x/sys/unix"
)

// initEnv marks the process that is init of a program's pid namespace.
const initEnv = "CRISP_RUNTIMETOOLS_INIT"

// patience is far longer than any program takes: about 13 s at the most.
const patience = 90 * time.Second

func TestMain(m *testing.M) {
	if name := os.Getenv(initEnv); name != "" {
		os.Exit(asInit(name))
	}
	os.Exit(m.Run())
}

// asInit isolates the place, runs a program and reaps orphans until it ends.
func asInit(program string) int {
	if err := isolatePlace(filepath.Dir(program)); err != nil {
		fmt.Fprintln(os.Stderr, "isolate the program:", err)
		return 125
	}
	cmd := exec.Command(program)
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Dir(program), os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 125
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			fmt.Fprintln(os.Stderr, "wait:", err)
			return 125
		case pid == cmd.Process.Pid && status.Signaled():
			return 128 + int(status.Signal())
		case pid == cmd.Process.Pid:
			return status.ExitStatus()
		}
	}
}

func isolatePlace(programs string) error {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, dir := range []string{"/run", "/tmp"} {
		if within(dir, programs) || within(dir, os.Getenv("RUNTIME")) {
			continue // it would hide what is to run
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	if err := isolate.PrivateNull(); err != nil {
		return err
	}
	if filepath.Base(os.Getenv("RUNTIME")) == "crun" {
		if err := isolate.HideUnified(); err != nil {
			return fmt.Errorf("hide the unified hierarchy from crun: %w", err)
		}
	}
	return nil
}

func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// result is a program's verdict with its output.
type result struct {
	verdict
	out, errs string
	err       error
}

func (r result) passed() bool { return r.err == nil && len(r.failed) == 0 }

// execute runs a program with a runtime, isolated and with a timeout.
func execute(ctx context.Context, program, runtime string) result {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), initEnv+"="+program, "RUNTIME="+runtime)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	err := cmd.Run()
	return result{verdict: parseTAP(out.String()), out: out.String(), errs: errs.String(), err: err}
}
