// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"crisp/conmon"

	"golang.org/x/sys/unix"
)

// testCgroup is above the cgroups of all containers of a run of these tests.
var testCgroup = fmt.Sprintf("/crisp-oci-test-%d", os.Getpid())

// sharedMounts says to a test program that it is in the mount namespace that TestMain wants.
const sharedMounts = "CRISP_TEST_SHARED_MOUNTS=1"

// TestMain fails when the tests leave processes, mounts, cgroups, descriptors or goroutines behind. As root it runs them in a mount
// namespace in which all mounts are shared, as systemd makes them: there a mount that is not isolated shows up.
func TestMain(m *testing.M) {
	if os.Geteuid() == 0 && !slices.Contains(os.Environ(), sharedMounts) {
		os.Exit(again())
	}
	if os.Geteuid() == 0 {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
			fmt.Fprintln(os.Stderr, "make mounts shared:", err)
			os.Exit(1)
		}
	}
	if onOldKernel() {
		if err := becomeOld(); err != nil {
			fmt.Fprintln(os.Stderr, "become an old kernel:", err)
			os.Exit(1)
		}
	}
	_, _ = conmon.Binary() // made once, stays open
	before := count()
	code := m.Run()
	if probeDir != "" {
		os.RemoveAll(probeDir)
	}
	if fuzzing := flag.Lookup("test.fuzz").Value.String() != ""; code == 0 && !fuzzing { // the fuzzer leaves its own behind
		code = checkLeaks(before)
	}
	removeTestCgroup()
	os.Exit(code)
}

// again runs this program in a new mount namespace.
func again() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), sharedMounts)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // Pdeathsig is about the thread
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return cmd.ProcessState.ExitCode()
}

// leftovers are what a run must not leave behind.
type leftovers struct{ fds, goroutines, mounts, cgroups int }

func count() leftovers {
	fds, _ := os.ReadDir("/proc/self/fd")
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	return leftovers{len(fds), runtime.NumGoroutine(), strings.Count(string(mounts), "\n"), len(testCgroups())}
}

// testCgroups lists the cgroups of containers, in all hierarchies.
func testCgroups() []string {
	var all []string
	for _, pattern := range []string{"/sys/fs/cgroup" + testCgroup + "/*", "/sys/fs/cgroup/*" + testCgroup + "/*"} {
		found, _ := filepath.Glob(pattern)
		for _, f := range found {
			if st, err := os.Stat(f); err == nil && st.IsDir() {
				all = append(all, f)
			}
		}
	}
	return all
}

func removeTestCgroup() {
	for _, pattern := range []string{"/sys/fs/cgroup" + testCgroup, "/sys/fs/cgroup/*" + testCgroup} {
		found, _ := filepath.Glob(pattern)
		for _, f := range found {
			_ = unix.Rmdir(f)
		}
	}
}

func checkLeaks(before leftovers) int {
	deadline := time.Now().Add(5 * time.Second)
	for {
		now := count()
		var w unix.Siginfo
		childless := errors.Is(unix.Waitid(unix.P_ALL, 0, &w, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil), unix.ECHILD)
		// A descriptor for the poller and one for its wake-up may have come to stay.
		if now.fds <= before.fds+2 && now.goroutines <= before.goroutines && now.mounts == before.mounts && now.cgroups == 0 && childless {
			return 0
		}
		if time.Now().After(deadline) {
			fmt.Fprintf(os.Stderr, "left behind: %+v, before %+v; no children: %v; cgroups %v\n", now, before, childless, testCgroups())
			return 1
		}
		runtime.Gosched()
	}
}

// probeDir has the probe, once it was built.
var probeDir string

// buildProbe builds the static program that runs inside the containers of the tests.
func buildProbe(t testing.TB) string {
	t.Helper()
	if made := os.Getenv("CRISP_PROBE"); made != "" { // a virtual machine's, where compiling is slow
		return made
	}
	if probeDir != "" {
		return filepath.Join(probeDir, "probe")
	}
	dir, err := os.MkdirTemp("", "crisp-probe")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "probe"), "./internal/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		t.Fatalf("build the probe: %v\n%s", err, out)
	}
	probeDir = dir
	return filepath.Join(dir, "probe")
}

// walk lists everything below a directory with what would tell that it was changed.
func walk(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %s %d\n", p, st.Mode(), st.Size())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
