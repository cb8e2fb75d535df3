// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"

	"crisp/test/isolate"
	"crisp/test/lane"

	"golang.org/x/sys/unix"
)

// inside says to a test program that it is in the namespaces that TestMain wants.
const inside = "CRISP_TEST_INSIDE=1"

// testCgroup is above the cgroups of all containers of a run of these tests.
var testCgroup = cgroupOf(os.Getpid())

func cgroupOf(pid int) string { return fmt.Sprintf("/crisp-security-%d", pid) }

// TestMain runs the tests in mount, network and UTS namespaces of their own: mounts are shared there, as systemd makes them, so that
// one that is not isolated shows up; and whoever breaks out does less harm.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		runtime.LockOSThread() // keyrings and filters are of threads
		under(os.Args[1], os.Args[2:])
		runtime.UnlockOSThread()
	}
	if os.Geteuid() != 0 {
		os.Exit(m.Run()) // each test skips, and says why
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
	if tools != "" {
		os.RemoveAll(tools)
	}
	if err := lane.RemoveCgroups(testCgroup); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// prepare makes mounts shared, and this process the parent of containers whose runtime has exited.
func prepare() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("make mounts shared: %w", err)
	}
	if err := isolate.PrivateNull(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
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
	// Once more from here: an engine that is not isolated may have covered /sys in there.
	if err := lane.RemoveCgroups(cgroupOf(ended.Pid())); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return ended.ExitCode()
}
