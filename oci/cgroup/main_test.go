// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"crisp/conmon"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestMain fails when a test leaves a cgroup or an fd behind.
func TestMain(m *testing.M) {
	_, _ = cgroups.ReadFile("/sys/fs/cgroup", "cgroup.procs") // the library keeps its root open
	_, _ = conmon.Binary()                                    // made once, stays open: what holds the scopes of a driver
	before := openFiles()
	code := m.Run()
	if left, _ := filepath.Glob("/sys/fs/cgroup/*/" + testPrefix() + "*"); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "cgroups left behind:", left)
		code = 1
	}
	if left, _ := filepath.Glob("/sys/fs/cgroup/" + testPrefix() + "*"); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "cgroups left behind:", left)
		code = 1
	}
	if after := openFiles(); after > before+2 { // Go's own poller
		fmt.Fprintln(os.Stderr, "open files:", before, "before,", after, "after")
		code = 1
	}
	os.Exit(code)
}

func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

// testPrefix begins the names of this process's cgroups.
func testPrefix() string { return fmt.Sprintf("crisp-test-%d-", os.Getpid()) }

func newManager(t testing.TB) *Manager {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making cgroups needs root")
	}
	m, err := New(Config{})
	if err != nil {
		t.Skip("no cgroups here:", err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// eachMode runs a test as the host is, and on a hybrid host also as if it had v1 only.
func eachMode(t *testing.T, f func(t *testing.T, m *Manager)) {
	m := newManager(t)
	t.Run(m.mode.String(), func(t *testing.T) { f(t, m) })
	if m.mode != Hybrid {
		return
	}
	v1 := newManager(t)
	unified := v1.unified
	t.Cleanup(func() { unified.close() })
	v1.hierarchies = slices.DeleteFunc(v1.hierarchies, func(h *hierarchy) bool { return h.v2 })
	v1.mode, v1.unified = V1, nil
	t.Run(v1.mode.String(), func(t *testing.T) { f(t, v1) })
}

func newName(t testing.TB) string {
	t.Helper()
	b := make([]byte, 4)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return "/" + testPrefix() + hex.EncodeToString(b)
}

func newCgroup(t testing.TB, m *Manager, r *specs.LinuxResources) *Cgroup {
	t.Helper()
	c, err := m.Create(newName(t), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { destroy(t, c) })
	return c
}

func destroy(t testing.TB, c *Cgroup) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.Kill(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Remove(ctx); err != nil {
		t.Error(err)
	}
}

// start runs a command born in the cgroup (v2) or moved into it before it runs (v1). It is reaped at the test's end at the latest.
func start(t testing.TB, c *Cgroup, script string) *exec.Cmd {
	t.Helper()
	j, err := c.Join()
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd := exec.Command("/bin/sh", "-c", "read go; "+script)
	cmd.Stdin = r
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if j.Dir != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(j.Dir.Fd())
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for _, f := range j.Tasks {
		if _, err := fmt.Fprint(f, cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintln(w, "go")
	return cmd
}

// file reads a file of the cgroup.
func file(t testing.TB, c *Cgroup, controller, name string) string {
	t.Helper()
	h := c.m.controller(controller)
	if h == nil {
		t.Skipf("no %s controller", controller)
	}
	s, err := h.read(path.Join(c.path, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(s)
}

func exists(h *hierarchy, p string) bool {
	root, err := h.fd()
	return err == nil && unix.Faccessat(root, p, unix.F_OK, 0) == nil
}

func ptr[T any](v T) *T { return &v }

// eventually waits for what another process does.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatal("never happened: ", what)
		}
		time.Sleep(time.Millisecond)
	}
}
