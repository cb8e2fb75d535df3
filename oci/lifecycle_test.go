// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crisp/conmon"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestLifeOfAContainer(t *testing.T) {
	b := newBench(t)
	k := b.create(b.spec("wait"))
	equal(t, "output before the start", k.output(), "")
	if !k.Running() {
		t.Error("a created container is not running")
	}
	if err := k.Delete(b.ctx); !errors.Is(err, ErrRunning) {
		t.Errorf("delete of a created container: %v", err)
	}
	k.start()
	k.ready(1)
	if err := k.Delete(b.ctx); !errors.Is(err, ErrRunning) {
		t.Errorf("delete of a running container: %v", err)
	}
	if err := k.Kill(unix.SIGTERM); err != nil {
		t.Error(err)
	}
	if x := b.wait(k.ID); x.Code != 0 || x.Signal != 0 {
		t.Errorf("exit %+v", x)
	}
	k.untilExited()
	if err := k.Kill(unix.SIGTERM); !errors.Is(err, ErrNotRunning) {
		t.Errorf("kill of a stopped container: %v", err)
	}
	if _, err := k.Exec(b.ctx, ExecRequest{Process: b.spec("exit", "0").Process}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("exec in a stopped container: %v", err)
	}
	for range 2 {
		if err := k.Delete(b.ctx); err != nil {
			t.Error(err)
		}
	}
	if left := testCgroups(); len(left) != 0 {
		t.Errorf("cgroups %v", left)
	}
}

func TestExitCodesAndSignals(t *testing.T) {
	b := newBench(t)
	if x := b.create(b.spec("exit", "42")).run(); x.Code != 42 || x.Signal != 0 {
		t.Errorf("exit %+v", x)
	}
	k := b.create(b.spec("wait"))
	k.start()
	k.ready(1)
	if err := k.Kill(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if x := b.wait(k.ID); x.Code != 137 || x.Signal != 9 {
		t.Errorf("exit %+v", x)
	}
	if x, err := conmon.ReadExit(k.dir); err != nil || x.Code != 137 {
		t.Errorf("exit record %+v, %v", x, err)
	}
}

func TestKillOfACreatedContainer(t *testing.T) {
	b := newBench(t)
	k := b.create(b.spec("wait"))
	if err := k.KillAll(b.ctx); err != nil {
		t.Fatal(err)
	}
	if x := b.wait(k.ID); x.Signal != 9 {
		t.Errorf("exit %+v", x)
	}
}

// TestDeleteTakesProcessesThatOutlivedTheFirst uses the host's PID namespace, where the end of the first ends nobody else.
func TestDeleteTakesProcessesThatOutlivedTheFirst(t *testing.T) {
	b := newBench(t)
	for _, killAll := range []bool{false, true} {
		s := b.spec("orphan")
		s.Linux.Namespaces = without(s, specs.PIDNamespace)
		k := b.create(s)
		k.start()
		k.ready(2)
		if err := k.Kill(unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		k.untilExited()
		if pids, err := k.Cgroup.Pids(); err != nil || len(pids) == 0 {
			t.Errorf("no orphan: %v, %v", pids, err)
		}
		if killAll {
			if err := k.KillAll(b.ctx); err != nil {
				t.Error(err)
			}
			if pids, err := k.Cgroup.Pids(); err != nil || len(pids) != 0 {
				t.Errorf("left: %v, %v", pids, err)
			}
		}
		if err := k.Delete(b.ctx); err != nil {
			t.Error(err)
		}
	}
}

// without is the namespaces of a spec without some.
func without(s *specs.Spec, types ...specs.LinuxNamespaceType) []specs.LinuxNamespace {
	var kept []specs.LinuxNamespace
next:
	for _, n := range s.Linux.Namespaces {
		for _, t := range types {
			if n.Type == t {
				continue next
			}
		}
		kept = append(kept, n)
	}
	return kept
}

func TestOutOfMemoryIsReported(t *testing.T) {
	b := newBench(t)
	s := b.spec("eat")
	s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(32 << 20)), Swap: ptr(int64(32 << 20))}}
	x := b.create(s).run()
	if x.Code != 137 || x.OOMKills == 0 {
		t.Errorf("exit %+v, want 137 with OOM kills", x)
	}
}

func TestUpdateAndStats(t *testing.T) {
	b := newBench(t)
	k := b.create(b.spec("wait"))
	k.start()
	k.ready(1)
	limit := int64(64 << 20)
	if err := k.Update(b.ctx, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}); err != nil {
		t.Fatal(err)
	}
	st, err := k.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if st.Memory.Limit != uint64(limit) || st.CPU.Usage == 0 || st.Memory.Usage == 0 || st.Pids.Current == 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestProcessIsInItsCgroup(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts")
	s.Linux.Namespaces = without(s, specs.CgroupNamespace)
	f := b.create(s).facts()
	for line := range strings.Lines(f.Cgroup) {
		if !strings.HasSuffix(strings.TrimSpace(line), s.Linux.CgroupsPath) {
			t.Errorf("cgroup %q, want %s", line, s.Linux.CgroupsPath)
		}
	}
}

func TestLoadFindsContainersOfAnotherDaemon(t *testing.T) {
	b := newBench(t)
	s := b.spec("wait")
	k := b.create(s)
	k.start()
	k.ready(1)
	again, err := b.runtime.Load(b.ctx, LoadRequest{ID: k.ID, Spec: s, Pid: k.Pid, Monitor: b.monitor})
	if err != nil {
		t.Fatal(err)
	}
	if again.Pid != k.Pid || !again.Running() || again.Cgroup == nil {
		t.Errorf("loaded %+v", again)
	}
	out, x := (&subject{again, b, k.dir}).exec(s.Process, "facts")
	if x.Code != 0 || readFacts(t, out).Hostname != "web-0" {
		t.Errorf("exec in the loaded container: %+v %s", x, out)
	}
	if err := again.Kill(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.wait(k.ID)
	again.Pidfd.Close()
	stopped, err := b.runtime.Load(b.ctx, LoadRequest{ID: k.ID, Spec: s, Monitor: b.monitor})
	if err != nil {
		t.Fatal(err)
	}
	if stopped.Running() || !errors.Is(stopped.Kill(unix.SIGKILL), ErrNotRunning) {
		t.Error("a stopped container was loaded as running")
	}
	if err := stopped.Delete(b.ctx); err != nil {
		t.Error(err)
	}
	if _, err := b.runtime.Load(b.ctx, LoadRequest{ID: k.ID, Spec: s, Pid: 1, Monitor: b.monitor}); err != nil {
		t.Errorf("load of what is gone: %v", err)
	}
}

// TestPauseRunsInAnEmptyRootfs executes a program that is nowhere in it (a pod's pause container).
func TestPauseRunsInAnEmptyRootfs(t *testing.T) {
	b := newBench(t)
	s := readSpec(t, "pause")
	s.Root.Path = b.TempDir()
	s.Mounts = nil
	s.Linux.CgroupsPath = testCgroup + "/pause-" + newID()
	s.Linux.Namespaces = b.spec().Linux.Namespaces
	program, err := conmon.Binary()
	if err != nil {
		t.Skip(err)
	}
	k := b.create(s, func(q *CreateRequest) { q.ExecFile = program })
	k.start()
	cmdline, err := os.ReadFile("/proc/" + itoa(k.Pid) + "/cmdline")
	if err != nil || !strings.HasPrefix(string(cmdline), "pause\x00") {
		t.Errorf("command line %q, %v", cmdline, err)
	}
	if err := k.Kill(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if x := b.wait(k.ID); x.Signal != int(unix.SIGKILL) {
		t.Errorf("exit %+v", x)
	}
}

func TestFailureLeavesNothing(t *testing.T) {
	b := newBench(t)
	before, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(b.ctx)
	cancel()
	for name, c := range map[string]struct {
		change func(*specs.Spec)
		ctx    context.Context
	}{
		"missing source":       {func(s *specs.Spec) { s.Mounts = append(s.Mounts, bindMount("/nonexistent", "/x")) }, b.ctx},
		"missing root":         {func(s *specs.Spec) { s.Root.Path = "/nonexistent" }, b.ctx},
		"bad device number":    {func(s *specs.Spec) { s.Linux.Devices = []specs.LinuxDevice{{Path: "/proc/x", Type: "c"}} }, b.ctx},
		"bad cgroup limit":     {func(s *specs.Spec) { s.Linux.Resources = &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "x"}} }, b.ctx},
		"root that is a file":  {func(s *specs.Spec) { s.Root.Path += "/probe" }, b.ctx},
		"caller has gone away": {func(*specs.Spec) {}, canceled},
	} {
		s := b.spec("wait")
		c.change(s)
		if _, err := b.runtime.Create(c.ctx, CreateRequest{ID: newID(), Monitor: b.monitor, Spec: s}); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left := testCgroups(); len(left) != 0 {
			t.Errorf("%s: cgroups %v", name, left)
		}
		b.untilForgotten()
	}
	after, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "mounts of the host", string(after), string(before))
}

func TestMissingProgramFailsAtStart(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts")
	s.Process.Args = []string{"nonexistent"}
	k := b.create(s)
	err := k.Start(b.ctx)
	if !errors.Is(err, unix.ENOENT) || !strings.HasPrefix(err.Error(), "exec nonexistent: ") {
		t.Errorf("got %v", err)
	}
	b.wait(k.ID)
}

func TestTerminalIsTheContainersOwn(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts", "/dev/console", "/dev/pts", "/dev/pts/0")
	s.Process.Terminal = true
	s.Process.ConsoleSize = &specs.Box{Height: 24, Width: 80}
	s.Process.User.UID = 1000
	f := b.create(s).facts()
	for _, fd := range []string{"0", "1", "2"} {
		equal(t, "descriptor "+fd, f.FDs[fd], "/dev/pts/0")
	}
	equal(t, "owner of the terminal", f.Paths["/dev/pts/0"].UID, 1000)
	equal(t, "/dev/console", f.Paths["/dev/console"].Rdev, "136:0")
	if findMount(f, "/dev/console") == "" {
		t.Error("/dev/console is no mount")
	}
	checkDescriptors(t, f)
}

func TestContainerWithoutMountsUsesTheImagesDev(t *testing.T) {
	b := newBench(t)
	s := b.spec("exit", "5")
	s.Mounts = nil
	s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
	if x := b.create(s).run(); x.Code != 5 {
		t.Errorf("exit %+v", x)
	}
	if st, err := os.Stat(filepath.Join(s.Root.Path, "dev/null")); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		t.Errorf("dev/null: %v, %v", st, err)
	}
}
