// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func timeout(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func usualResources() *specs.LinuxResources {
	return &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}},
		Memory:  &specs.LinuxMemory{Limit: ptr(int64(128 << 20)), Swap: ptr(int64(128 << 20))},
		CPU:     &specs.LinuxCPU{Shares: ptr(uint64(512)), Quota: ptr(int64(50000)), Period: ptr(uint64(100000))},
		Pids:    &specs.LinuxPids{Limit: ptr(int64(100))},
	}
}

func TestCreateMakesEveryHierarchyWithLimits(t *testing.T) {
	eachMode(t, testCreateMakesEveryHierarchyWithLimits)
}

func testCreateMakesEveryHierarchyWithLimits(t *testing.T, m *Manager) {
	c := newCgroup(t, m, usualResources())
	for _, h := range m.hierarchies {
		if !exists(h, c.path) {
			t.Errorf("%s is not made", path.Join(h.dir, c.path))
		}
	}
	want := map[string]string{"memory.limit_in_bytes": "134217728", "cpu.shares": "512", "cpu.cfs_quota_us": "50000", "pids.max": "100"}
	if m.mode == V2 {
		want = map[string]string{"memory.max": "134217728", "cpu.weight": "59", "cpu.max": "50000 100000", "pids.max": "100"}
	}
	for name, value := range want {
		controller, _, _ := strings.Cut(name, ".")
		if got := file(t, c, controller, name); got != value {
			t.Errorf("%s is %q, not %q", name, got, value)
		}
	}
}

func TestCreateMakesParentsAndLeavesTheirLimits(t *testing.T) {
	m := newManager(t)
	parent := newCgroup(t, m, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(77))}})
	c, err := m.Create(parent.Path()+"/deep/leaf", usualResources())
	if err != nil {
		t.Fatal(err)
	}
	if got := file(t, parent, "pids", "pids.max"); got != "77" {
		t.Errorf("the parent's pids.max is %s", got)
	}
	if err := c.Remove(timeout(t, time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, h := range m.hierarchies {
		if !exists(h, parent.path+"/deep") || exists(h, c.path) {
			t.Errorf("%s: removing the leaf removed its parent, or nothing", h.name)
		}
	}
}

func TestCreateLeavesNothingWhenItFails(t *testing.T) {
	m := newManager(t)
	name := newName(t)
	r := usualResources()
	r.CPU.Cpus = "4000-4001"
	if _, err := m.Create(name, r); err == nil {
		t.Error("CPU 4000 is accepted")
	}
	if _, err := m.Open(name); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestCreateTakesOverAnEmptyCgroupButNotAUsedOne(t *testing.T) {
	m := newManager(t)
	c := newCgroup(t, m, nil)
	if _, err := m.Create(c.Path(), usualResources()); err != nil {
		t.Error(err)
	}
	start(t, c, "exec sleep 1000")
	if _, err := m.Create(c.Path(), usualResources()); !errors.Is(err, ErrBusy) {
		t.Errorf("a cgroup with processes: %v", err)
	}
	if _, err := m.Open(c.Path()); err != nil {
		t.Error(err)
	}
}

func TestCreateManyBelowOneNewParentAtOnce(t *testing.T) {
	m := newManager(t)
	parent := newName(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			c, err := m.Create(fmt.Sprint(parent, "/", i), usualResources())
			if err != nil {
				t.Error(err)
				return
			}
			start(t, c, "exec sleep 1000")
		})
	}
	wg.Wait()
	c, err := m.Open(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer destroy(t, c)
	if pids, err := c.Pids(); err != nil || len(pids) != 16 {
		t.Errorf("%d processes, %v", len(pids), err)
	}
}

func TestPathsAreConfined(t *testing.T) {
	for in, want := range map[string]string{
		"/a/b": "a/b", "a": "a", "/a/../../../../b": "b", "//a//b/": "a/b", "/kubepods/pod-1:2:3/x": "kubepods/pod-1:2:3/x",
	} {
		if got, err := cleanPath(in); got != want || err != nil {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "/", "/..", "a\nb", "a\x00"} {
		if got, err := cleanPath(in); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	if _, err := (&Manager{}).at("system.slice:crisp:ab12"); !errors.Is(err, ErrNoDriver) {
		t.Error(err)
	}
}

func TestProcessIsBornInAllHierarchies(t *testing.T) { eachMode(t, testProcessIsBornInAllHierarchies) }

func testProcessIsBornInAllHierarchies(t *testing.T, m *Manager) {
	c := newCgroup(t, m, usualResources())
	cmd := start(t, c, "exec sleep 1000")
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	in := 0
	for line := range strings.Lines(string(b)) {
		if strings.HasSuffix(strings.TrimSpace(line), ":"+c.Path()) {
			in++
		}
	}
	if in != len(m.hierarchies) {
		t.Errorf("it is in %d of %d:\n%s", in, len(m.hierarchies), b)
	}
	if pids, err := c.Pids(); err != nil || !slices.Equal(pids, []int{cmd.Process.Pid}) {
		t.Errorf("%v, %v", pids, err)
	}
	j, err := c.Join()
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if n := len(m.Hierarchies()); n != len(j.Tasks) || (j.Dir != nil) != (m.unified != nil) {
		t.Errorf("Hierarchies has %d names, Join %d files and the directory %v", n, len(j.Tasks), j.Dir)
	}
}

func TestJoinBesideFollowsTheFirstProcess(t *testing.T) {
	m := newManager(t)
	c := newCgroup(t, m, nil)
	if m.mode != V2 {
		t.Skip("v2 only")
	}
	cmd := start(t, c, "exec sleep 1000")
	if err := os.Mkdir(path.Join(m.unified.dir, c.path, "init"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := m.unified.write(c.path+"/init/cgroup.procs", strconv.Itoa(cmd.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	if err := m.unified.write(c.path+"/cgroup.subtree_control", "+pids +memory"); err != nil {
		t.Fatal(err)
	}
	j, err := c.JoinBeside(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if want := path.Join(m.unified.dir, c.path, "init"); j.Dir.Name() != want {
		t.Errorf("%s, not %s", j.Dir.Name(), want)
	}
}

func TestSetChangesMemoryUpAndDown(t *testing.T) {
	m := newManager(t)
	c := newCgroup(t, m, usualResources())
	for _, mib := range []int64{256, 64, 512, 32, 33} {
		limit := mib << 20
		if err := c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &limit}}); err != nil {
			t.Errorf("%d MiB: %v", mib, err)
		}
		name := "memory.limit_in_bytes"
		if m.mode == V2 {
			name = "memory.max"
		}
		if got := file(t, c, "memory", name); got != strconv.FormatInt(limit, 10) {
			t.Errorf("%s is %s", name, got)
		}
	}
	// Without swap the allowed amount of swap, none, stays.
	if err := c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(100 << 20))}}); err != nil {
		t.Fatal(err)
	}
	s, err := c.Stats()
	if err != nil || s.Memory.Limit != 100<<20 || s.Swap.Limit != 0 && s.Swap.Limit != NoLimit {
		t.Errorf("limits %d and %d, %v", s.Memory.Limit, s.Swap.Limit, err)
	}
	if err := c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(-1))}}); err != nil {
		t.Fatal(err)
	}
	if s, err = c.Stats(); err != nil || s.Memory.Limit != 0 {
		t.Errorf("limit %d, %v", s.Memory.Limit, err)
	}
}

func TestSetIsAllOrNothing(t *testing.T) {
	m := newManager(t)
	r := usualResources()
	c := newCgroup(t, m, r)
	before := snapshot(t, c)
	bad := &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(64 << 20)), Swap: ptr(int64(96 << 20))},
		CPU:    &specs.LinuxCPU{Shares: ptr(uint64(2)), Quota: ptr(int64(20000)), Period: ptr(uint64(50000)), Mems: "0"},
		Pids:   &specs.LinuxPids{Limit: ptr(int64(5))},
		// Fails last: no kernel has pages of 3 MB, no device this number.
		HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "3MB", Limit: 1}},
		BlockIO:        &specs.LinuxBlockIO{ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{throttleDevice(4095, 1048575, 1)}},
	}
	if err := c.Set(bad); err == nil {
		t.Fatal("a limit for a device that is not there is accepted")
	} else {
		t.Log(err)
	}
	if after := snapshot(t, c); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if err := c.Set(&specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Type: "x"}}, Pids: bad.Pids}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if after := snapshot(t, c); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

func throttleDevice(major, minor int64, rate uint64) specs.LinuxThrottleDevice {
	var d specs.LinuxThrottleDevice
	d.Major, d.Minor, d.Rate = major, minor, rate
	return d
}

// snapshot is the content of all files that can be written.
func snapshot(t *testing.T, c *Cgroup) string {
	t.Helper()
	var b strings.Builder
	for _, h := range c.m.hierarchies {
		entries, err := os.ReadDir(path.Join(h.dir, c.path))
		if os.IsNotExist(err) {
			continue // the library's, where it was told to skip a controller
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || info.Mode().Perm()&0o200 == 0 || strings.HasPrefix(e.Name(), "cgroup.") || volatile[e.Name()] {
				continue
			}
			if s, err := h.read(path.Join(c.path, e.Name())); err == nil {
				fmt.Fprintf(&b, "%s: %s\n", e.Name(), strings.TrimSpace(s))
			}
		}
	}
	return b.String()
}

// volatile files change by themselves.
var volatile = map[string]bool{
	"cpuacct.usage": true, "tasks": true, "memory.max_usage_in_bytes": true, "memory.peak": true, "memory.reclaim": true,
	"cpu.pressure": true, "io.pressure": true, "memory.pressure": true, "irq.pressure": true, "memory.usage_in_bytes": true,
}

func TestLimitBelowUsageIsRefusedWhenAsked(t *testing.T) {
	m := newManager(t)
	c := newCgroup(t, m, nil)
	start(t, c, "x=$(head -c 20000000 /dev/zero | tr '\\0' x); sleep 1000")
	eventually(t, "20 MB are used", func() bool {
		s, err := c.Stats()
		return err == nil && s.Memory.RSS > 19<<20
	})
	err := c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(1 << 20)), CheckBeforeUpdate: ptr(true)}})
	if !errors.Is(err, ErrBelowUsage) {
		t.Error(err)
	}
}

func TestStatsCount(t *testing.T) { eachMode(t, testStatsCount) }

func testStatsCount(t *testing.T, m *Manager) {
	c := newCgroup(t, m, usualResources())
	start(t, c, "x=$(head -c 8000000 /dev/zero | tr '\\0' x); i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 1000")
	var s Stats
	eventually(t, "memory and CPU are used", func() bool {
		var err error
		s, err = c.Stats()
		if err != nil {
			t.Fatal(err)
		}
		return s.Memory.RSS > 7<<20 && s.CPU.Usage > 1e6
	})
	if s.Pids.Current == 0 || s.Pids.Limit != 100 || s.Memory.Limit != 128<<20 || s.Swap.Limit != 0 && s.Swap.Limit != NoLimit ||
		s.Memory.Usage < s.Memory.RSS || s.Memory.WorkingSet > s.Memory.Usage || s.Memory.PageFaults == 0 || s.OOMKills != 0 || s.Time.IsZero() {
		t.Errorf("%+v", s)
	}
	if m.unified != nil && exists(m.unified, c.path+"/cpu.pressure") && !s.CPU.Pressure.Known {
		t.Error("no pressure")
	}
	other, err := m.Open(c.Path())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := other.Stats(); err != nil || again.CPU.Usage < s.CPU.Usage {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestStatsOfAGoneCgroupIsNotFound(t *testing.T) { eachMode(t, testStatsOfAGoneCgroupIsNotFound) }

func testStatsOfAGoneCgroupIsNotFound(t *testing.T, m *Manager) {
	c, err := m.Create(newName(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	destroy(t, c)
	if _, err := c.Stats(); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := m.Open(c.Path()); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if pids, err := c.Pids(); err != nil || len(pids) != 0 {
		t.Error(pids, err)
	}
	destroy(t, c) // again is no error
}

func TestOOMKillsAreCounted(t *testing.T) {
	m := newManager(t)
	c := newCgroup(t, m, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(16 << 20)), Swap: ptr(int64(16 << 20))}})
	oom, err := c.OOMFile()
	if err != nil {
		t.Fatal(err)
	}
	defer oom.Close()
	cmd := start(t, c, "x=$(head -c 64000000 /dev/zero | tr '\\0' x); sleep 1000")
	_ = cmd.Wait()
	buf := make([]byte, 512)
	n, err := oom.ReadAt(buf, 0)
	if n == 0 || strings.Contains(string(buf[:n]), "oom_kill 0") || !strings.Contains(string(buf[:n]), "oom_kill ") {
		t.Errorf("%s, %v", buf[:n], err)
	}
	if s, err := c.Stats(); err != nil || s.OOMKills == 0 {
		t.Errorf("%d OOM kills, %v", s.OOMKills, err)
	}
}

func TestFreezeStopsAndThawGoesOn(t *testing.T) { eachMode(t, testFreezeStopsAndThawGoesOn) }

func testFreezeStopsAndThawGoesOn(t *testing.T, m *Manager) {
	c := newCgroup(t, m, nil)
	start(t, c, "while :; do :; done")
	usage := func() uint64 {
		s, err := c.Stats()
		if err != nil {
			t.Fatal(err)
		}
		return s.CPU.Usage
	}
	ctx := timeout(t, 20*time.Second)
	for range 3 {
		if err := c.Freeze(ctx); err != nil {
			t.Fatal(err)
		}
		var frozen uint64 // the kernel adds the last time slice a little later
		eventually(t, "it stands still", func() bool {
			before := usage()
			time.Sleep(5 * time.Millisecond)
			frozen = usage()
			return frozen == before
		})
		if err := c.Thaw(ctx); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it runs again", func() bool { return usage() > frozen })
	}
}

func TestKillEmptiesAlsoAFrozenCgroup(t *testing.T) { eachMode(t, testKillEmptiesAlsoAFrozenCgroup) }

func testKillEmptiesAlsoAFrozenCgroup(t *testing.T, m *Manager) {
	c := newCgroup(t, m, nil)
	ctx := timeout(t, 20*time.Second)
	for range 5 {
		start(t, c, "trap '' TERM INT HUP; sleep 1000 & sleep 1000")
	}
	if err := c.Freeze(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if pids, err := c.Pids(); err != nil || len(pids) != 0 {
		t.Errorf("%v, %v", pids, err)
	}
	if err := c.Remove(ctx); err != nil {
		t.Error(err)
	}
}

func TestKillBeatsAForkBomb(t *testing.T) { eachMode(t, testKillBeatsAForkBomb) }

func testKillBeatsAForkBomb(t *testing.T, m *Manager) {
	c := newCgroup(t, m, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(150))}})
	cmd := start(t, c, "exec 2>/dev/null; while :; do sh -c 'while :; do sleep 0.01 & done' & done")
	eventually(t, "it forks", func() bool {
		s, err := c.Stats()
		return err == nil && s.Pids.Current > 50
	})
	if err := c.Kill(timeout(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if err := c.Remove(timeout(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
}

func TestKillReachesCgroupsBelow(t *testing.T) { eachMode(t, testKillReachesCgroupsBelow) }

func testKillReachesCgroupsBelow(t *testing.T, m *Manager) {
	c := newCgroup(t, m, nil)
	below, err := m.Create(c.Path()+"/a/b", nil)
	if err != nil {
		t.Fatal(err)
	}
	start(t, below, "exec sleep 1000")
	if pids, err := c.Pids(); err != nil || len(pids) != 1 {
		t.Errorf("%v, %v", pids, err)
	}
	destroy(t, c)
	if _, err := m.Open(c.Path()); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestKillInV1FashionNamesWhoIsLeft(t *testing.T) { eachMode(t, testKillInV1FashionNamesWhoIsLeft) }

func testKillInV1FashionNamesWhoIsLeft(t *testing.T, m *Manager) {
	c := newCgroup(t, m, nil)
	cmd := start(t, c, "exec sleep 1000")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var stuck *StuckError
	w, err := newWaiter(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	err = c.stuck(m.primary(), c.killIn(m.primary(), w))
	if !errors.As(err, &stuck) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if len(stuck.Processes) != 1 || stuck.Processes[0].Pid != cmd.Process.Pid || stuck.Processes[0].State == "?" {
		t.Errorf("%+v", stuck)
	}
	if !strings.Contains(err.Error(), fmt.Sprintf("pid %d (", cmd.Process.Pid)) {
		t.Error(err)
	}
}

func TestKillLoopWithoutCgroupKill(t *testing.T) { eachMode(t, testKillLoopWithoutCgroupKill) }

func testKillLoopWithoutCgroupKill(t *testing.T, m *Manager) {
	c := newCgroup(t, m, nil)
	for range 20 {
		start(t, c, "sleep 1000 & sleep 1000")
	}
	w, err := newWaiter(timeout(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for _, h := range m.hierarchies {
		if err := c.killIn(h, w); err != nil {
			t.Errorf("%s: %v", h.name, err)
		}
	}
	if pids, err := c.Pids(); err != nil || len(pids) != 0 {
		t.Errorf("%v, %v", pids, err)
	}
}

func TestRemoveOfAUsedCgroupSaysWho(t *testing.T) { eachMode(t, testRemoveOfAUsedCgroupSaysWho) }

func testRemoveOfAUsedCgroupSaysWho(t *testing.T, m *Manager) {
	c := newCgroup(t, m, nil)
	cmd := start(t, c, "exec sleep 1000")
	err := c.Remove(timeout(t, 30*time.Millisecond))
	if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), strconv.Itoa(cmd.Process.Pid)) {
		t.Error(err)
	}
}

func TestRemoveDeepAndWideTrees(t *testing.T) { eachMode(t, testRemoveDeepAndWideTrees) }

func testRemoveDeepAndWideTrees(t *testing.T, m *Manager) {
	c := newCgroup(t, m, nil)
	h := m.primary()
	fd, err := h.open(c.path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		t.Fatal(err)
	}
	for depth := range 300 {
		for wide := range 2 {
			if err := unix.Mkdirat(fd, fmt.Sprint("child-with-a-name-that-makes-paths-long-", wide), 0o755); err != nil {
				t.Fatal(depth, err)
			}
		}
		next, err := unix.Openat(fd, "child-with-a-name-that-makes-paths-long-1", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		unix.Close(fd)
		if err != nil {
			t.Fatal(err)
		}
		fd = next
	}
	unix.Close(fd)
	if err := c.Remove(timeout(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if exists(h, c.path) {
		t.Error("it is still there")
	}
}

func TestChownGivesTheCgroupAway(t *testing.T) {
	m := newManager(t)
	c := newCgroup(t, m, nil)
	if err := c.Chown(12345); err != nil {
		t.Fatal(err)
	}
	h := m.primary()
	root, err := h.fd()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint32{"": 12345, "cgroup.procs": 12345, "memory.max": 0} {
		if m.mode != V2 {
			want = 0
		}
		var st unix.Stat_t
		err := unix.Fstatat(root, path.Join(c.path, name), &st, 0)
		if m.mode != V2 && errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil || st.Uid != want {
			t.Errorf("%q belongs to %d, not %d, %v", name, st.Uid, want, err)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	m := newManager(b)
	r := usualResources()
	for b.Loop() {
		c, err := m.Create(newName(b), r)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		destroy(b, c)
		b.StartTimer()
	}
}

func BenchmarkRemove(b *testing.B) {
	m := newManager(b)
	ctx := context.Background()
	for b.Loop() {
		b.StopTimer()
		c, err := m.Create(newName(b), nil)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := c.Remove(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJoin(b *testing.B) {
	m := newManager(b)
	c := newCgroup(b, m, nil)
	for b.Loop() {
		j, err := c.Join()
		if err != nil {
			b.Fatal(err)
		}
		j.Close()
	}
}

func BenchmarkStats(b *testing.B) {
	m := newManager(b)
	c := newCgroup(b, m, usualResources())
	start(b, c, "exec sleep 1000")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Stats(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSet(b *testing.B) {
	m := newManager(b)
	c := newCgroup(b, m, usualResources())
	r := usualResources()
	r.Devices = nil
	for b.Loop() {
		if err := c.Set(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKill(b *testing.B) {
	m := newManager(b)
	c := newCgroup(b, m, nil)
	for b.Loop() {
		b.StopTimer()
		cmd := start(b, c, "exec sleep 1000")
		b.StartTimer()
		if err := c.Kill(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = cmd.Wait()
		b.StartTimer()
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		m, err := New(Config{})
		if err != nil {
			b.Fatal(err)
		}
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
