// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"io"
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
	}
	if r.Pids != nil {
		l.PidsLimit = r.Pids.Limit
	}
	if b := r.BlockIO; b != nil {
		for _, d := range b.ThrottleReadBpsDevice {
			l.BlkioThrottleReadBpsDevice = append(l.BlkioThrottleReadBpsDevice, cgroups.NewThrottleDevice(d.Major, d.Minor, d.Rate))
		}
	}
	l.Unified = r.Unified
	return l
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
	for name, r := range tests {
		t.Run(name, func(t *testing.T) {
			ours := newCgroup(t, m, &r)
			theirs := newName(t)
			lr := libraryResources(&r)
			lib := newLibraryManager(t, m, theirs, lr)
			defer func() {
				if err := lib.Destroy(); err != nil {
					t.Error(err)
				}
			}()
			if err := lib.Apply(-1); err != nil {
				t.Fatal(err)
			}
			if err := lib.Set(lr); err != nil {
				t.Fatal(err)
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
