// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	library "github.com/opencontainers/cgroups/systemd"

	"crisp/oci/cgroup"
)

func parseSettings(text string) []cgroup.Setting {
	var list []cgroup.Setting
	for line := range strings.Lines(text) {
		file, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		list = append(list, cgroup.Setting{File: file, Value: value})
	}
	return list
}

func TestFilesAndProperties(t *testing.T) {
	type m = map[string]any
	for name, test := range map[string]struct {
		version  int64
		settings string
		want     m
	}{
		"memory":             {252, "memory.swap.max=0\nmemory.max=100\nmemory.low=max\nmemory.high=5\nmemory.min=6", m{"MemorySwapMax": uint64(0), "MemoryMax": uint64(100), "MemoryLow": uint64(infinity), "MemoryHigh": uint64(5), "MemoryMin": uint64(6)}},
		"memory v1":          {252, "memory.limit_in_bytes=-1\nmemory.memsw.limit_in_bytes=-1", m{"MemoryLimit": uint64(infinity)}},
		"tasks":              {252, "pids.max=5", m{"TasksMax": uint64(5)}},
		"tasks max":          {252, "pids.max=max", m{"TasksMax": uint64(infinity)}},
		"no tasks":           {252, "pids.max=0", m{"TasksMax": uint64(1)}},
		"what is last":       {252, "pids.max=5\npids.max=7", m{"TasksMax": uint64(7)}},
		"quota":              {252, "cpu.max=20000 50000", m{"CPUQuotaPeriodUSec": uint64(50000), "CPUQuotaPerSecUSec": uint64(400000)}},
		"quota default":      {252, "cpu.max=150000", m{"CPUQuotaPeriodUSec": uint64(100000), "CPUQuotaPerSecUSec": uint64(1500000)}},
		"quota rounded":      {252, "cpu.max=1001 100000", m{"CPUQuotaPeriodUSec": uint64(100000), "CPUQuotaPerSecUSec": uint64(20000)}},
		"no quota":           {252, "cpu.max=max 30000", m{"CPUQuotaPeriodUSec": uint64(30000), "CPUQuotaPerSecUSec": uint64(infinity)}},
		"quota old systemd":  {241, "cpu.max=20000 50000", m{"CPUQuotaPerSecUSec": uint64(400000)}},
		"quota v1":           {252, "cpu.shares=2\ncpu.cfs_period_us=50000\ncpu.cfs_quota_us=20000", m{"CPUShares": uint64(2), "CPUQuotaPeriodUSec": uint64(50000), "CPUQuotaPerSecUSec": uint64(400000)}},
		"weight":             {252, "cpu.weight=79", m{"CPUWeight": uint64(79)}},
		"idle":               {252, "cpu.idle=1\ncpu.weight=79", m{"CPUWeight": uint64(0)}},
		"not idle":           {252, "cpu.idle=0\ncpu.weight=79", m{"CPUWeight": uint64(79)}},
		"idle, old systemd":  {251, "cpu.idle=1\ncpu.weight=79", m{"CPUWeight": uint64(79)}},
		"CPUs":               {252, "cpuset.cpus=0-1,9\ncpuset.mems=0", m{"AllowedCPUs": []byte{3, 2}, "AllowedMemoryNodes": []byte{1}}},
		"CPUs, old systemd":  {243, "cpuset.cpus=0-1", m{}},
		"block weight v1":    {252, "blkio.bfq.weight=500", m{"BlockIOWeight": uint64(500)}},
		"OOM group":          {253, "memory.oom.group=1", m{"OOMPolicy": "kill"}},
		"OOM group off":      {253, "memory.oom.group=0", m{"OOMPolicy": "continue"}},
		"OOM group too soon": {252, "memory.oom.group=1", m{}},
		"the files' alone":   {252, "cpu.max.burst=5\nhugetlb.2MB.max=0\nio.max=8:0 rbps=1\nrdma.max=x hca_handle=3\nmemory.swappiness=3", m{}},
	} {
		s := &session{driver: &Driver{}}
		s.driver.version.Store(test.version)
		got, err := s.limits(parseSettings(test.settings), true)
		found := m{}
		for _, p := range got {
			found[p.Name] = p.Value
		}
		if err != nil || !reflect.DeepEqual(found, test.want) {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}

func TestLimitsThatAreNone(t *testing.T) {
	for _, line := range []string{"memory.max=", "memory.max=-2", "pids.max=x", "cpu.max=", "cpu.max=1 0", "cpu.max=1 x", "cpu.max=99999999999999999 1", "cpuset.cpus=", "cpuset.cpus=3-1", "cpuset.cpus=0-99999999", "cpu.weight=1.5"} {
		s := &session{driver: &Driver{}}
		s.driver.version.Store(252)
		if got, err := s.limits(parseSettings(line), true); !errors.Is(err, cgroup.ErrInvalid) {
			t.Errorf("%s: %v, %v", line, got, err)
		}
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]int64{"252.39-1~deb12u1": 252, "v245.4-1.fc32": 245, "219": 219, "": 0, "x": 0, "99999999999999999999": 9999999} {
		if got := versionOf(text); got != want {
			t.Errorf("%s: %d", text, got)
		}
	}
}

// FuzzBits: a list has the mask that the library makes of it.
func FuzzBits(f *testing.F) {
	for _, s := range []string{"0", "0-3,8", " 1 , 2-4,", "7-3", "", ",", "65535", "65536", "a", "-1", "1-", "0-0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		got, ok := bits(list)
		if !ok {
			return
		}
		want, err := library.RangeToBits(list)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: %v, the library says %v, %v", list, got, want, err)
		}
	})
}
