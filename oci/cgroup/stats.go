// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// NoLimit stands for "max".
const NoLimit = ^uint64(0)

// Stats is what a cgroup has used. Times are nanoseconds, sizes bytes. What the host cannot tell is zero.
type Stats struct {
	Time   time.Time
	CPU    CPUStats
	Memory MemoryStats
	Swap   SwapStats
	Pids   PidsStats
	IO     Pressure
	// OOMKills counts the processes that the OOM killer killed in the cgroup: on v2 also in those below.
	OOMKills uint64
}

// CPUStats is a cgroup's use of CPU time.
type CPUStats struct {
	Usage, User, System uint64
	Periods             uint64 // with a quota: how many have passed
	Throttled           uint64 // in how many of them the quota was used up
	ThrottledTime       uint64
	Pressure            Pressure
}

// MemoryStats is a cgroup's use of memory.
type MemoryStats struct {
	Usage           uint64 // with page cache
	WorkingSet      uint64 // Usage less the inactive page cache
	RSS             uint64 // anonymous memory
	PageFaults      uint64
	MajorPageFaults uint64
	Limit           uint64 // 0: none
	Pressure        Pressure
}

// SwapStats is a cgroup's use of swap space.
type SwapStats struct {
	Usage uint64
	Limit uint64 // of swap alone; NoLimit: none
}

// PidsStats counts a cgroup's tasks.
type PidsStats struct {
	Current uint64
	Limit   uint64 // 0: none
}

// Pressure is the kernel's pressure stall information (Documentation/accounting/psi.rst).
type Pressure struct {
	Known      bool // false: v1, or a kernel without PSI
	Some, Full PressureLine
}

// PressureLine is one line of it. The averages are percents.
type PressureLine struct {
	Avg10, Avg60, Avg300 float64
	Total                uint64 // nanoseconds
}

// Stats reads what the cgroup has used. A cgroup that is gone is ErrNotFound.
func (c *Cgroup) Stats() (Stats, error) {
	if len(c.m.hierarchies) == 0 {
		return Stats{}, ErrNone
	}
	r := c.m.buffers.Get().(*reader)
	defer c.m.buffers.Put(r)
	r.path = append(r.path[:0], c.path...)
	s := Stats{Time: time.Now(), Swap: SwapStats{Limit: NoLimit}}
	r.err = nil
	if c.m.mode == V2 {
		c.m.statsV2(r, &s)
	} else {
		c.m.statsV1(r, &s)
	}
	for _, limit := range []*uint64{&s.Memory.Limit, &s.Pids.Limit} {
		if *limit == NoLimit {
			*limit = 0
		}
	}
	s.Memory.WorkingSet = s.Memory.Usage - min(s.Memory.WorkingSet, s.Memory.Usage)
	if h := c.m.unified; h != nil {
		r.pressure(h, "cpu.pressure", &s.CPU.Pressure)
		r.pressure(h, "memory.pressure", &s.Memory.Pressure)
		r.pressure(h, "io.pressure", &s.IO)
	}
	if errors.Is(r.err, unix.ENODEV) {
		r.err = ErrNotFound
	}
	if r.err != nil {
		return Stats{}, fmt.Errorf("stats of cgroup %s: %w", c.Path(), r.err)
	}
	return s, nil
}

// statsV2 reads cpu.stat first, which every cgroup has: without it the cgroup is gone.
func (m *Manager) statsV2(r *reader, s *Stats) {
	h := m.unified
	if !r.read(h, "cpu.stat") {
		r.fail(ErrNotFound)
		return
	}
	r.values(func(key []byte, n uint64) {
		switch string(key) {
		case "usage_usec":
			s.CPU.Usage = 1000 * n
		case "user_usec":
			s.CPU.User = 1000 * n
		case "system_usec":
			s.CPU.System = 1000 * n
		case "nr_periods":
			s.CPU.Periods = n
		case "nr_throttled":
			s.CPU.Throttled = n
		case "throttled_usec":
			s.CPU.ThrottledTime = 1000 * n
		}
	})
	if r.read(h, "memory.stat") {
		r.memoryStat(s, [...]string{"anon", "inactive_file", "pgfault", "pgmajfault"})
	}
	r.number(h, "memory.current", &s.Memory.Usage)
	r.number(h, "memory.max", &s.Memory.Limit)
	r.number(h, "memory.swap.current", &s.Swap.Usage)
	r.number(h, "memory.swap.max", &s.Swap.Limit)
	r.number(h, "pids.current", &s.Pids.Current)
	r.number(h, "pids.max", &s.Pids.Limit)
	r.oomKills(h, "memory.events", s)
}

func (m *Manager) statsV1(r *reader, s *Stats) {
	found := false
	if h := m.controller("cpuacct"); h != nil {
		found = r.number(h, "cpuacct.usage", &s.CPU.Usage)
		r.number(h, "cpuacct.usage_user", &s.CPU.User)
		r.number(h, "cpuacct.usage_sys", &s.CPU.System)
	}
	if h := m.controller("cpu"); h != nil && r.read(h, "cpu.stat") {
		found = true
		r.values(func(key []byte, n uint64) {
			switch string(key) {
			case "nr_periods":
				s.CPU.Periods = n
			case "nr_throttled":
				s.CPU.Throttled = n
			case "throttled_time":
				s.CPU.ThrottledTime = n
			}
		})
	}
	if h := m.controller("memory"); h != nil && r.read(h, "memory.stat") {
		found = true
		m.memoryStatsV1(r, h, s)
	}
	if h := m.controller("pids"); h != nil {
		found = r.number(h, "pids.current", &s.Pids.Current) || found
		r.number(h, "pids.max", &s.Pids.Limit)
	}
	if !found {
		r.fail(ErrNotFound)
	}
}

// memoryStatsV1 reads on from memory.stat. The totals are those of the cgroup with all below it, as v2 has them.
func (m *Manager) memoryStatsV1(r *reader, h *hierarchy, s *Stats) {
	r.memoryStat(s, [...]string{"total_rss", "total_inactive_file", "total_pgfault", "total_pgmajfault"})
	r.number(h, "memory.usage_in_bytes", &s.Memory.Usage)
	r.number(h, "memory.limit_in_bytes", &s.Memory.Limit)
	memsw, limit := uint64(0), uint64(NoLimit)
	if r.number(h, "memory.memsw.usage_in_bytes", &memsw) {
		r.number(h, "memory.memsw.limit_in_bytes", &limit)
		s.Swap.Usage = memsw - min(memsw, s.Memory.Usage)
		if limit != NoLimit {
			s.Swap.Limit = limit - min(limit, s.Memory.Limit)
		}
	}
	r.oomKills(h, "memory.oom_control", s)
}

// memoryStat takes the values of these keys from memory.stat. It leaves the inactive page cache in WorkingSet.
func (r *reader) memoryStat(s *Stats, keys [4]string) {
	r.values(func(key []byte, n uint64) {
		switch string(key) {
		case keys[0]:
			s.Memory.RSS = n
		case keys[1]:
			s.Memory.WorkingSet = n
		case keys[2]:
			s.Memory.PageFaults = n
		case keys[3]:
			s.Memory.MajorPageFaults = n
		}
	})
}

// oomKills reads the line "oom_kill N".
func (r *reader) oomKills(h *hierarchy, file string, s *Stats) {
	if !r.read(h, file) {
		return
	}
	r.values(func(key []byte, n uint64) {
		if string(key) == "oom_kill" {
			s.OOMKills = n
		}
	})
}
