// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs"
	"github.com/opencontainers/cgroups/fs2"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
)

// The library of runc and the kubelet is the reference: the same resources must have the same effect.

// libraryResources translates as runc's libcontainer/specconv does.
func libraryResources(r *specs.LinuxResources) *cgroups.Resources {
	l := &cgroups.Resources{SkipDevices: true}
	if m := r.Memory; m != nil {
		l.Memory, l.MemorySwap, l.MemoryReservation = value(m.Limit), value(m.Swap), value(m.Reservation)
		l.MemorySwappiness = m.Swappiness
		l.OomKillDisable = m.DisableOOMKiller != nil && *m.DisableOOMKiller
	}
	if c := r.CPU; c != nil {
		if c.Shares != nil {
			l.CpuShares = *c.Shares
			l.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(*c.Shares)
		}
		l.CpuQuota = value(c.Quota)
		if c.Period != nil {
			l.CpuPeriod = *c.Period
		}
		l.CpuBurst, l.CPUIdle = c.Burst, c.Idle
		l.CpusetCpus, l.CpusetMems = c.Cpus, c.Mems
		if c.RealtimePeriod != nil {
			l.CpuRtPeriod = *c.RealtimePeriod
		}
		if c.RealtimeRuntime != nil {
			l.CpuRtRuntime = *c.RealtimeRuntime
		}
	}
	if r.Pids != nil {
		l.PidsLimit = r.Pids.Limit
	}
	libraryBlockIO(l, r.BlockIO)
	for _, h := range r.HugepageLimits {
		l.HugetlbLimit = append(l.HugetlbLimit, &cgroups.HugepageLimit{Pagesize: h.Pagesize, Limit: h.Limit})
	}
	for name, d := range r.Rdma {
		if l.Rdma == nil {
			l.Rdma = map[string]cgroups.LinuxRdma{}
		}
		l.Rdma[name] = cgroups.LinuxRdma{HcaHandles: d.HcaHandles, HcaObjects: d.HcaObjects}
	}
	if n := r.Network; n != nil {
		if n.ClassID != nil {
			l.NetClsClassid = *n.ClassID
		}
		for _, p := range n.Priorities {
			l.NetPrioIfpriomap = append(l.NetPrioIfpriomap, &cgroups.IfPrioMap{Interface: p.Name, Priority: int64(p.Priority)})
		}
	}
	l.Unified = r.Unified
	return l
}

func libraryBlockIO(l *cgroups.Resources, b *specs.LinuxBlockIO) {
	if b == nil {
		return
	}
	number := func(n *uint16) uint16 {
		if n == nil {
			return 0
		}
		return *n
	}
	l.BlkioWeight, l.BlkioLeafWeight = number(b.Weight), number(b.LeafWeight)
	for _, d := range b.WeightDevice {
		l.BlkioWeightDevice = append(l.BlkioWeightDevice, cgroups.NewWeightDevice(d.Major, d.Minor, number(d.Weight), number(d.LeafWeight)))
	}
	for _, t := range []struct {
		from []specs.LinuxThrottleDevice
		to   *[]*cgroups.ThrottleDevice
	}{
		{b.ThrottleReadBpsDevice, &l.BlkioThrottleReadBpsDevice}, {b.ThrottleWriteBpsDevice, &l.BlkioThrottleWriteBpsDevice},
		{b.ThrottleReadIOPSDevice, &l.BlkioThrottleReadIOPSDevice}, {b.ThrottleWriteIOPSDevice, &l.BlkioThrottleWriteIOPSDevice},
	} {
		for _, d := range t.from {
			*t.to = append(*t.to, cgroups.NewThrottleDevice(d.Major, d.Minor, d.Rate))
		}
	}
}

type libraryManager interface {
	Apply(pid int) error
	Set(*cgroups.Resources) error
	Destroy() error
}

func newLibraryManager(t testing.TB, m *Manager, name string, r *cgroups.Resources) libraryManager {
	t.Helper()
	logrus.SetOutput(io.Discard)
	cg := &cgroups.Cgroup{Path: name, Resources: r}
	var lib libraryManager
	var err error
	if m.mode == V2 {
		lib, err = fs2.NewManager(cg, "/sys/fs/cgroup"+name)
	} else {
		lib, err = fs.NewManager(cg, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

func TestSameFilesAsTheLibrary(t *testing.T) {
	tests := map[string]specs.LinuxResources{
		"none":  {},
		"usual": *usualResources(),
		"burstable": {
			CPU:    &specs.LinuxCPU{Shares: ptr(uint64(102))},
			Memory: &specs.LinuxMemory{Limit: ptr(int64(200 << 20)), Swap: ptr(int64(300 << 20)), Reservation: ptr(int64(50 << 20))},
		},
		"best effort": {CPU: &specs.LinuxCPU{Shares: ptr(uint64(2)), Period: ptr(uint64(100000)), Quota: ptr(int64(-1))}},
		"pinned":      {CPU: &specs.LinuxCPU{Shares: ptr(uint64(1024)), Cpus: "0", Mems: "0"}},
		"burst":       {CPU: &specs.LinuxCPU{Quota: ptr(int64(20000)), Period: ptr(uint64(50000)), Burst: ptr(uint64(10000))}},
		"no limits": {
			Memory: &specs.LinuxMemory{Limit: ptr(int64(-1))}, Pids: &specs.LinuxPids{Limit: ptr(int64(-1))}, CPU: &specs.LinuxCPU{Quota: ptr(int64(-1))},
		},
		"no memory limit but swap": {Memory: &specs.LinuxMemory{Limit: ptr(int64(-1)), Swap: ptr(int64(-1))}},
	}
	m := newManager(t)
	addHostsOwn(t, m, tests)
	for name, r := range tests {
		t.Run(name, func(t *testing.T) {
			ours, ourErr := m.Create(newName(t), &r)
			if ourErr == nil {
				t.Cleanup(func() { destroy(t, ours) })
			}
			if m.mode != V2 && r.Unified != nil { // the library makes no manager then
				if !errors.Is(ourErr, ErrNoController) {
					t.Error(ourErr)
				}
				return
			}
			theirs := newName(t)
			lr := libraryResources(&r)
			lib := newLibraryManager(t, m, theirs, lr)
			defer func() {
				if err := lib.Destroy(); err != nil {
					t.Error(err)
				}
			}()
			err := lib.Apply(-1)
			if err == nil {
				err = lib.Set(lr)
			}
			if err != nil || ourErr != nil {
				if err == nil || ourErr == nil {
					t.Errorf("the library: %v; ours: %v", err, ourErr)
				}
				return // both refuse
			}
			c, err := m.Open(theirs)
			if err != nil {
				t.Fatal(err)
			}
			want, got := snapshot(t, c), snapshot(t, ours)
			for line := range strings.Lines(got) {
				if !strings.Contains(want, line) && !strings.HasPrefix(line, "devices.") {
					t.Errorf("the library does not have %s", line)
				}
			}
			if strings.Count(want, "\n") < 5 {
				t.Errorf("the library's:\n%s", want)
			}
		})
	}
}

// addHostsOwn adds tests of what depends on the host's devices and versions.
func addHostsOwn(t *testing.T, m *Manager, tests map[string]specs.LinuxResources) {
	t.Helper()
	if major, minor, ok := blockDevice(); ok {
		limit := func(rate uint64) []specs.LinuxThrottleDevice {
			return []specs.LinuxThrottleDevice{throttleDevice(major, minor, rate)}
		}
		tests["block rates"] = specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{
			ThrottleReadBpsDevice: limit(1 << 20), ThrottleWriteBpsDevice: limit(2 << 20), ThrottleReadIOPSDevice: limit(30), ThrottleWriteIOPSDevice: limit(40),
		}}
		weight := specs.LinuxWeightDevice{Weight: ptr(uint16(300))}
		weight.Major, weight.Minor = major, minor
		tests["block weights"] = specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{Weight: ptr(uint16(500)), WeightDevice: []specs.LinuxWeightDevice{weight}}}
	} else {
		t.Log("no block device: its limits are not compared")
	}
	tests["block leaf weight"] = specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{LeafWeight: ptr(uint16(500))}}
	for _, size := range cgroups.HugePageSizes() {
		if m.controller("hugetlb") != nil { // without it the library refuses what the kubelet always sends; see hugetlb
			tests["huge pages of "+size] = specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: size, Limit: 4 << 30}}}
		}
	}
	if m.controller("rdma") != nil {
		tests["RDMA"] = specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"no-such-device": {HcaHandles: ptr(uint32(3))}}}
	}
	tests["network class"] = specs.LinuxResources{Network: &specs.LinuxNetwork{ClassID: ptr(uint32(0x100001))}}
	tests["network priority"] = specs.LinuxResources{Network: &specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "lo", Priority: 3}}}}
	tests["swappiness"] = specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: ptr(uint64(10))}}
	tests["no OOM killer"] = specs.LinuxResources{Memory: &specs.LinuxMemory{DisableOOMKiller: ptr(true)}}
	tests["idle"] = specs.LinuxResources{CPU: &specs.LinuxCPU{Idle: ptr(int64(1))}}
	if m.mode != V2 { // there the library lets the kernel refuse both together
		tests["idle with a weight"] = specs.LinuxResources{CPU: &specs.LinuxCPU{Idle: ptr(int64(1)), Shares: ptr(uint64(512))}}
	}
	tests["swap without memory"] = specs.LinuxResources{Memory: &specs.LinuxMemory{Swap: ptr(int64(64 << 20))}}
	tests["swap below memory"] = specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(64 << 20)), Swap: ptr(int64(32 << 20))}}
	tests["real time"] = specs.LinuxResources{CPU: &specs.LinuxCPU{RealtimePeriod: ptr(uint64(1000000)), RealtimeRuntime: ptr(int64(1000))}}
	tests["unified"] = specs.LinuxResources{Unified: map[string]string{
		"memory.high": "50000000", "pids.max": "77", "memory.oom.group": "1", "cpu.weight": "30", "cpu.max": "30000 100000",
	}}
	tests["unified after the rest"] = specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(5))}, Unified: map[string]string{"pids.max": "9"}}
	tests["unified that is not there"] = specs.LinuxResources{Unified: map[string]string{"memory.nothing": "1"}}
	tests["unified of no controller"] = specs.LinuxResources{Unified: map[string]string{"nothing.max": "1"}}
}

// blockDevice finds a disk of the host.
func blockDevice() (major, minor int64, ok bool) {
	names, _ := filepath.Glob("/sys/block/*/dev")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if n, _ := fmt.Sscanf(string(text), "%d:%d", &major, &minor); err == nil && n == 2 {
			return major, minor, true
		}
	}
	return 0, 0, false
}

func TestConversionsAreTheLibrarys(t *testing.T) {
	for shares := uint64(2); shares < 270000; shares++ {
		if got, want := weight(shares), cgroups.ConvertCPUSharesToCgroupV2Value(shares); got != want {
			t.Fatalf("%d shares: weight %d, not %d", shares, got, want)
		}
	}
	for w := uint16(10); w <= 1000; w++ {
		if got, want := ioWeight(w), cgroups.ConvertBlkIOToIOWeightValue(w); got != want {
			t.Fatalf("blkio weight %d: %d, not %d", w, got, want)
		}
	}
}

func BenchmarkLibraryCreate(b *testing.B) {
	m := newManager(b)
	for b.Loop() {
		name := newName(b)
		r := libraryResources(usualResources())
		lib := newLibraryManager(b, m, name, r)
		if err := lib.Apply(-1); err != nil {
			b.Fatal(err)
		}
		if err := lib.Set(r); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := lib.Destroy(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
