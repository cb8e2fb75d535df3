// SPDX-License-Identifier: Apache-2.0

package events

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"crisp/oci/cgroup"

	"github.com/opencontainers/cgroups"
	libraryfs "github.com/opencontainers/cgroups/fs"
	libraryfs2 "github.com/opencontainers/cgroups/fs2"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
)

// A bench is a cgroup with one process in it.
type bench struct {
	t     *testing.T
	group *cgroup.Cgroup
	dirs  Dirs
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// newBench has a shell wait in a new cgroup for a line.
func newBench(t *testing.T, r *specs.LinuxResources, command string) *bench {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making cgroups needs root")
	}
	m, err := cgroup.New(cgroup.Config{})
	if err != nil {
		t.Skip("no cgroups here:", err)
	}
	t.Cleanup(func() { m.Close() })
	g, err := m.Create(fmt.Sprintf("/crisp-events-%d-%d", os.Getpid(), time.Now().UnixNano()), r)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, group: g, dirs: Dirs{V2: g.Version() == cgroup.V2, Of: g.Dir}, cmd: exec.Command("/bin/sh", "-c", "read go; "+command)}
	t.Cleanup(b.end)
	if b.stdin, err = b.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	controllers := append(m.Hierarchies(), "")
	if !b.dirs.V2 {
		controllers = m.Hierarchies()
	}
	for _, c := range controllers {
		if dir := g.Dir(c); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(b.cmd.Process.Pid)), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b
}

func (b *bench) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = b.group.Kill(ctx)
	_ = b.cmd.Wait()
	if err := b.group.Remove(ctx); err != nil {
		b.t.Error(err)
	}
}

// The library that runc reads by is the reference. Its types have other names in JSON; both are brought to the library's.
func TestStatsAreThoseOfTheLibrary(t *testing.T) {
	limit, pids := int64(64<<20), int64(7)
	b := newBench(t, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}, Pids: &specs.LinuxPids{Limit: &pids}}, "true")
	want := b.library()
	got, err := Read(b.dirs)
	if err != nil {
		t.Fatal(err)
	}
	compare := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, the library %+v", what, got, want)
		}
	}
	compare("pids", got.Pids, Pids(want.PidsStats))
	compare("cpuset", got.CPUSet, CPUSet(want.CPUSetStats))
	compare("cache", got.Memory.Cache, want.MemoryStats.Cache)
	for what, pair := range map[string]struct {
		got  MemoryEntry
		want cgroups.MemoryData
	}{
		"memory": {got.Memory.Usage, want.MemoryStats.Usage}, "swap": {got.Memory.Swap, want.MemoryStats.SwapUsage},
		"kernel": {got.Memory.Kernel, want.MemoryStats.KernelUsage}, "kernelTCP": {got.Memory.KernelTCP, want.MemoryStats.KernelTCPUsage},
	} {
		compare(what+" limit", pair.got.Limit, pair.want.Limit)
		compare(what+" failcnt", pair.got.Failcnt, pair.want.Failcnt)
	}
	keys := func(m map[string]uint64) map[string]bool {
		all := map[string]bool{}
		for k := range m {
			all[k] = true
		}
		return all
	}
	compare("keys of memory.stat", keys(got.Memory.Raw), keys(want.MemoryStats.Stats))
	compare("CPUs counted", len(got.CPU.Usage.Percpu), len(want.CpuStats.CpuUsage.PercpuUsage))
	compare("CPUs counted in the kernel", len(got.CPU.Usage.PercpuKernel), len(want.CpuStats.CpuUsage.PercpuUsageInKernelmode))
	compare("throttling", got.CPU.Throttling, Throttling(want.CpuStats.ThrottlingData))
	compare("CPU pressure is known", got.CPU.PSI != nil, want.CpuStats.PSI != nil)
	compare("sizes of pages", len(got.Hugetlb), len(want.HugetlbStats))
	for size, h := range want.HugetlbStats {
		compare(size, got.Hugetlb[size], Hugetlb{h.Usage, h.MaxUsage, h.Failcnt})
	}
	if got.CPU.Usage.Total > want.CpuStats.CpuUsage.TotalUsage+1e9 {
		t.Errorf("CPU time %d, the library %d", got.CPU.Usage.Total, want.CpuStats.CpuUsage.TotalUsage)
	}
	if got.Pids.Current != 1 {
		t.Errorf("%d processes, not one", got.Pids.Current)
	}
}

func (b *bench) library() *cgroups.Stats {
	b.t.Helper()
	logrus.SetOutput(io.Discard)
	c := &cgroups.Cgroup{Path: b.group.Path(), Resources: &cgroups.Resources{SkipDevices: true}}
	var m cgroups.Manager
	var err error
	if b.dirs.V2 {
		m, err = libraryfs2.NewManager(c, b.group.Dir(""))
	} else {
		paths := map[string]string{}
		for _, name := range []string{"cpuset", "cpu", "cpuacct", "memory", "pids", "blkio", "hugetlb"} {
			if dir := b.group.Dir(name); dir != "" {
				paths[name] = dir
			}
		}
		m, err = libraryfs.NewManager(c, paths)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := m.GetStats()
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func TestStatsOfACgroupThatIsGone(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		if _, err := Read(Dirs{V2: v2, Of: func(string) string { return "/nonexistent" }}); err == nil {
			t.Error("stats of nothing")
		}
	}
}

func TestWatchTellsOfTheOOMKillerAndOfTheEnd(t *testing.T) {
	limit, none := int64(8<<20), int64(8<<20)
	b := newBench(t, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &none}}, "tail /dev/zero; read end")
	w, err := NewWatch(b.dirs)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := io.WriteString(b.stdin, "go\n"); err != nil {
		t.Fatal(err)
	}
	if more, err := w.Wait(); !more || err != nil {
		t.Fatalf("no OOM: %v %v", more, err)
	}
	ended := make(chan error, 1)
	go func() {
		for {
			more, err := w.Wait()
			if !more {
				ended <- err
				return
			}
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.group.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	_ = b.cmd.Wait()
	if err := b.group.Remove(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Error("the end is not told")
	}
}

func TestParsers(t *testing.T) {
	if got := list("0-2,5\n"); !reflect.DeepEqual(got, []uint16{0, 1, 2, 5}) {
		t.Errorf("list %v", got)
	}
	for _, bad := range []string{"", "a", "3-1", "0-65535", "1,,2"} {
		if got := list(bad); got != nil {
			t.Errorf("list %q: %v", bad, got)
		}
	}
	if got := blkio("8:0 Read 12\n8:0 7\nTotal 19\n"); !reflect.DeepEqual(got, []BlkioEntry{{8, 0, "Read", 12}, {8, 0, "", 7}}) {
		t.Errorf("blkio %v", got)
	}
	var b Blkio
	ioStat("253:1 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:0\n", &b)
	want := Blkio{ServiceBytes: []BlkioEntry{{253, 1, "Read", 1}, {253, 1, "Write", 2}}, Serviced: []BlkioEntry{{253, 1, "Read", 3}, {253, 1, "Write", 4}}}
	if !reflect.DeepEqual(b, want) {
		t.Errorf("io.stat %+v", b)
	}
	p := pressure("some avg10=1.50 avg60=0.00 avg300=0.10 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n")
	if p == nil || p.Some != (PSILine{1.5, 0, 0.1, 12}) || p.Full.Total != 7 {
		t.Errorf("pressure %+v", p)
	}
	if n, ok := number("max\n"); !ok || n != math.MaxUint64 {
		t.Errorf("max is %d", n)
	}
	var r IntelRdt
	r.ReadSchemata("MB:0=50\nL3:0=f\n", "MB:0=100\nL3:0=fff\n")
	if r.L3CacheSchema != "L3:0=f" || r.MemBwSchemaRoot != "MB:0=100" || len(r.Schemata) != 2 {
		t.Errorf("schemata %+v", r)
	}
}

// What containerd and podman look for in a line.
func TestEventsHaveRuncsNames(t *testing.T) {
	b, err := json.Marshal(Event{Type: TypeStats, ID: "a", Data: &Stats{Hugetlb: map[string]Hugetlb{}}})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"stats","id":"a","data":{"cpu":{},"cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,` +
		`"memory_migrate":0,"memory_spread_page":0,"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0},` +
		`"memory":{},"pids":{},"blkio":{},"hugetlb":{},"intel_rdt":{},"network_interfaces":null}}`
	if string(b) != want {
		t.Errorf("%s\nwant %s", b, want)
	}
	if b, _ = json.Marshal(Event{Type: TypeOOM, ID: "a"}); string(b) != `{"type":"oom","id":"a"}` {
		t.Errorf("%s", b)
	}
}

func FuzzParsers(f *testing.F) {
	for _, s := range []string{"0-2,5\n", "8:0 Read 12\nTotal 9\n", "253:1 rbytes=1 wios=4\n", "some avg10=NaN total=-1\n", "a 1\nb max\n", "0 1 2\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		stats := Stats{CPU: CPU{PSI: pressure(s)}, Memory: Memory{Raw: pairs(s)}}
		ioStat(s, &stats.Blkio)
		stats.Blkio.Merged = blkio(s)
		stats.CPU.Usage.Percpu = numbers(s)
		stats.CPU.Usage.PercpuUser, stats.CPU.Usage.PercpuKernel = usageAll(s)
		stats.CPUSet.CPUs = list(s)
		stats.IntelRdt.ReadSchemata(s, s)
		if len(stats.CPUSet.CPUs) > maxListed {
			t.Error("a list without bounds")
		}
		if _, err := json.Marshal(stats); err != nil {
			t.Error(err)
		}
	})
}

func TestWaitEndsWithClose(t *testing.T) {
	b := newBench(t, nil, "true")
	w, err := NewWatch(b.dirs)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, err := w.Wait(); done <- err }()
	w.Close()
	if err := <-done; err == nil {
		t.Error("no error after Close")
	}
}
