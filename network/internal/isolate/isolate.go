// SPDX-License-Identifier: Apache-2.0

// Package isolate runs the tests of the network in a network and a mount namespace of their own, so that they can do as they
// like and the node's network stays untouched. Each package's TestMain is isolate.Main; each test that needs root begins with
// isolate.Need. After the last test it looks for what was left behind.
package isolate

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// inside marks the process that was started in the new namespaces.
const inside = "CRISP_TEST_ISOLATED"

// Main is the TestMain of a package. Without root it runs the tests where they are; those that need root skip themselves.
func Main(m *testing.M) {
	if os.Geteuid() != 0 {
		os.Exit(m.Run())
	}
	if os.Getenv(inside) == "" {
		os.Exit(again())
	}
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "isolated test:", err)
		os.Exit(2)
	}
	before := snapshot()
	code := m.Run()
	if code == 0 {
		code = leaks(before)
	}
	os.Exit(code)
}

// Need skips the test when it does not run inside the namespaces.
func Need(t testing.TB) {
	t.Helper()
	if os.Getenv(inside) == "" {
		t.Skip("needs root: makes network namespaces and mounts")
	}
}

// again runs this program once more, in new namespaces and with a folder of its own for temporary files.
func again() int {
	tmp, err := os.MkdirTemp("", "crisp-network-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "isolated test:", err)
		return 2
	}
	defer os.RemoveAll(tmp)
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Args[0] = os.Args[0]
	c.Env = append(os.Environ(), inside+"=1", "TMPDIR="+tmp)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	err = c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "isolated test:", err)
		return 2
	}
	return 0
}

func prepare() error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	return netlink.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: 1}})
}

// snapshot names what tests could leave behind.
func snapshot() map[string]bool {
	found := map[string]bool{}
	links, _ := net.Interfaces()
	for _, l := range links {
		found["interface "+l.Name] = true
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		found["mount "+strings.Fields(line)[4]] = true
	}
	if c, err := nftables.New(); err == nil {
		tables, _ := c.ListTables()
		for _, t := range tables {
			found["nftables table "+t.Name] = true
		}
	}
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, f := range fds {
		to, _ := os.Readlink("/proc/self/fd/" + f.Name())
		if !strings.HasPrefix(to, "/proc/") { // the directory that is being read
			found["file "+f.Name()+" "+to] = true
		}
	}
	return found
}

// leaks gives the exit code 1 and prints what is there now and was not before. The kernel takes interfaces of dead namespaces
// down in the background, so it waits for that, with a bound.
func leaks(before map[string]bool) int {
	var left []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		left = nil
		runtime.GC() // pooled pipes of io.Copy between sockets are closed by finalizers
		for _, name := range slices.Sorted(maps.Keys(snapshot())) {
			if !before[name] && !strings.Contains(name, "anon_inode:") {
				left = append(left, name)
			}
		}
		if len(left) == 0 {
			return 0
		}
		time.Sleep(50 * time.Millisecond)
	}
	fmt.Fprintln(os.Stderr, "left behind by the tests:\n\t"+strings.Join(left, "\n\t"))
	return 1
}
