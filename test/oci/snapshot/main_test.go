// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"unsafe"

	"crisp/test/isolate"
	"crisp/test/lane"

	"golang.org/x/sys/unix"
)

// inside says to a test program that it is in the namespaces that TestMain wants.
const inside = "CRISP_TEST_INSIDE=1"

// testCgroup is above the containers' cgroups.
var testCgroup = fmt.Sprintf("/crisp-snapshot-%d", os.Getpid())

// TestMain runs the tests in namespaces of their own: what a runtime leaves behind, or does to the host (crun gives /dev/null away), ends
// with them.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		os.Exit(m.Run()) // the test skips, and says why
	}
	if !slices.Contains(os.Environ(), inside) {
		os.Exit(again())
	}
	code := 1
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	if err := lane.RemoveCgroups(testCgroup); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// prepare makes the place the same for all runtimes: crun refuses hosts with a hybrid hierarchy, so nobody gets one; mounts are shared, as
// systemd makes them; and this process is the parent of containers whose runtime has exited.
func prepare() error {
	unix.Umask(0o022)
	if err := defaultSignals(); err != nil {
		return err
	}
	if err := isolate.HideUnified(); err != nil {
		return err
	}
	if err := isolate.PrivateNull(); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("make mounts shared: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
	}
	return nil
}

// defaultSignals gives the two signals their default action that belong to the C library: make starts programs with these ignored, which
// runc and crun pass on to containers.
func defaultSignals() error {
	var byDefault [4]uint64 // struct sigaction of the kernel: handler, flags, restorer, mask
	for _, s := range []uintptr{32, 33} {
		if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, s, uintptr(unsafe.Pointer(&byDefault)), 0, 8, 0, 0); e != 0 {
			return fmt.Errorf("rt_sigaction %d: %w", s, e)
		}
	}
	return nil
}

// again runs this program in new namespaces.
func again() int {
	ended, err := isolate.Again(inside, unix.CLONE_NEWNS|unix.CLONE_NEWNET|unix.CLONE_NEWUTS|unix.CLONE_NEWIPC, unix.SIGKILL)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return ended.ExitCode()
}
