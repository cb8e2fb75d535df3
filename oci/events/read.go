// SPDX-License-Identifier: Apache-2.0

package events

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Dirs is where a container's cgroup is.
type Dirs struct {
	V2 bool
	Of func(controller string) string // "": the host does not have that controller
}

// ErrGone: the cgroup is not there any more.
var ErrGone = errors.New("the container's cgroup is gone")

// A reader reads the files of one directory. The first error but those of a file that is not there stays.
type reader struct {
	dir string
	err error
}

// text is "" for a file that is not there, or that the kernel does not fill (PSI that was switched off).
func (r *reader) text(name string) string {
	if r.err != nil || r.dir == "" {
		return ""
	}
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENODEV) {
		r.err = err
	}
	return string(b)
}

func (r *reader) number(name string) uint64 {
	n, _ := number(r.text(name))
	return n
}

func (r *reader) has(name string) bool {
	_, err := os.Lstat(filepath.Join(r.dir, name))
	return r.dir != "" && err == nil
}

// Read reads what a cgroup has used.
func Read(d Dirs) (*Stats, error) {
	s := &Stats{Hugetlb: map[string]Hugetlb{}}
	var err error
	if d.V2 {
		err = readV2(d, s)
	} else {
		err = readV1(d, s)
	}
	if err != nil {
		return nil, fmt.Errorf("stats: %w", err)
	}
	return s, nil
}

func readV2(d Dirs, s *Stats) error {
	r := &reader{dir: d.Of("")}
	if !r.has("cgroup.procs") {
		return ErrGone
	}
	cpu := pairs(r.text("cpu.stat"))
	s.CPU.Usage.Total, s.CPU.Usage.User, s.CPU.Usage.Kernel = 1000*cpu["usage_usec"], 1000*cpu["user_usec"], 1000*cpu["system_usec"]
	s.CPU.Throttling = Throttling{cpu["nr_periods"], cpu["nr_throttled"], 1000 * cpu["throttled_usec"]}
	s.CPU.PSI = pressure(r.text("cpu.pressure"))
	r.memoryV2(&s.Memory)
	s.Pids = r.pids()
	if s.Pids.Current == 0 { // without the controller
		s.Pids.Current = uint64(strings.Count(r.text("cgroup.procs"), "\n"))
	}
	ioStat(r.text("io.stat"), &s.Blkio)
	s.Blkio.PSI = pressure(r.text("io.pressure"))
	for _, size := range pageSizes(r.dir, "hugetlb.*.current") {
		name := "hugetlb." + size
		h := Hugetlb{Failcnt: pairs(r.text(name + ".events"))["max"], Usage: r.number(name + ".current")}
		if r.has(name + ".rsvd.current") {
			h.Usage = r.number(name + ".rsvd.current")
		}
		s.Hugetlb[size] = h
	}
	return r.err
}

func (r *reader) memoryV2(m *Memory) {
	if !r.has("memory.stat") {
		return
	}
	m.Raw = pairs(r.text("memory.stat"))
	m.Cache = m.Raw["file"]
	entry := func(name string) MemoryEntry {
		return MemoryEntry{Usage: r.number(name + ".current"), Limit: r.number(name + ".max"), Max: r.number(name + ".peak")}
	}
	m.Usage, m.Swap = entry("memory"), entry("memory.swap")
	m.Swap.Usage += m.Usage.Usage
	m.Swap.Max = 0
	if sum := m.Swap.Limit + m.Usage.Limit; m.Swap.Limit != math.MaxUint64 {
		m.Swap.Limit = sum
		if m.Usage.Limit == math.MaxUint64 {
			m.Swap.Limit = math.MaxUint64
		}
	}
	m.PSI = pressure(r.text("memory.pressure"))
}

func (r *reader) pids() Pids {
	p := Pids{Current: r.number("pids.current"), Limit: r.number("pids.max")}
	if p.Limit == math.MaxUint64 {
		p.Limit = 0
	}
	return p
}

// tick is USER_HZ's, in nanoseconds.
const tick = 1e9 / 100

func readV1(d Dirs, s *Stats) error {
	var errs []error
	found := false
	with := func(controller string, f func(*reader)) {
		r := &reader{dir: d.Of(controller)}
		if !r.has("tasks") {
			return
		}
		found = true
		f(r)
		errs = append(errs, r.err)
	}
	with("cpuacct", func(r *reader) { r.cpuacct(&s.CPU.Usage) })
	with("cpu", func(r *reader) {
		cpu := pairs(r.text("cpu.stat"))
		s.CPU.Throttling = Throttling{cpu["nr_periods"], cpu["nr_throttled"], cpu["throttled_time"]}
	})
	with("cpuset", func(r *reader) { r.cpuset(&s.CPUSet) })
	with("memory", func(r *reader) { r.memoryV1(&s.Memory) })
	with("pids", func(r *reader) { s.Pids = r.pids() })
	with("blkio", func(r *reader) { r.blkioV1(&s.Blkio) })
	with("hugetlb", func(r *reader) { r.hugetlbV1(s.Hugetlb) })
	if !found {
		return ErrGone
	}
	return errors.Join(errs...)
}

func (r *reader) cpuacct(u *CPUUsage) {
	ticks := pairs(r.text("cpuacct.stat"))
	u.User, u.Kernel = ticks["user"]*tick, ticks["system"]*tick
	u.Total = r.number("cpuacct.usage")
	u.Percpu = numbers(r.text("cpuacct.usage_percpu"))
	u.PercpuUser, u.PercpuKernel = usageAll(r.text("cpuacct.usage_all"))
}

func (r *reader) cpuset(c *CPUSet) {
	prefix := "cpuset."
	if !r.has("cpuset.cpus") && r.has("cpus") { // mounted with noprefix
		prefix = ""
	}
	c.CPUs, c.Mems = list(r.text(prefix+"cpus")), list(r.text(prefix+"mems"))
	for name, to := range map[string]*uint64{
		"cpu_exclusive": &c.CPUExclusive, "mem_hardwall": &c.MemHardwall, "mem_exclusive": &c.MemExclusive,
		"memory_migrate": &c.MemoryMigrate, "memory_spread_page": &c.MemorySpreadPage, "memory_spread_slab": &c.MemorySpreadSlab,
		"memory_pressure": &c.MemoryPressure, "sched_load_balance": &c.SchedLoadBalance,
	} {
		*to = r.number(prefix + name)
	}
	_, _ = fmt.Sscan(r.text(prefix+"sched_relax_domain_level"), &c.SchedRelaxDomainLevel)
}

func (r *reader) memoryV1(m *Memory) {
	m.Raw = pairs(r.text("memory.stat"))
	m.Cache = m.Raw["cache"]
	for name, to := range map[string]*MemoryEntry{
		"memory": &m.Usage, "memory.memsw": &m.Swap, "memory.kmem": &m.Kernel, "memory.kmem.tcp": &m.KernelTCP,
	} {
		*to = MemoryEntry{
			Usage: r.number(name + ".usage_in_bytes"), Limit: r.number(name + ".limit_in_bytes"),
			Max: r.number(name + ".max_usage_in_bytes"), Failcnt: r.number(name + ".failcnt"),
		}
	}
}

// blkioV1 reads what there is: CFQ's files, BFQ's with or without CONFIG_BFQ_CGROUP_DEBUG, or those of throttling, which count always.
func (r *reader) blkioV1(b *Blkio) {
	tables := []struct {
		name string
		to   *[]BlkioEntry
	}{
		{"io_service_bytes_recursive", &b.ServiceBytes},
		{"io_serviced_recursive", &b.Serviced},
		{"io_queued_recursive", &b.Queued},
		{"io_service_time_recursive", &b.ServiceTime},
		{"io_wait_time_recursive", &b.WaitTime},
		{"io_merged_recursive", &b.Merged},
		{"time_recursive", &b.Time},
		{"sectors_recursive", &b.Sectors},
	}
	for _, prefix := range []string{"blkio.bfq.", "blkio."} {
		if prefix == "blkio.bfq." && len(blkio(r.text(prefix+"io_serviced_recursive"))) == 0 {
			continue
		}
		for _, t := range tables {
			*t.to = blkio(r.text(prefix + t.name))
		}
		if len(b.Serviced) > 0 {
			return
		}
	}
	for _, t := range []struct {
		name string
		to   *[]BlkioEntry
	}{{"io_service_bytes", &b.ServiceBytes}, {"io_serviced", &b.Serviced}} {
		text := r.text("blkio.throttle." + t.name + "_recursive")
		if text == "" {
			text = r.text("blkio.throttle." + t.name)
		}
		*t.to = blkio(text)
	}
}

func (r *reader) hugetlbV1(all map[string]Hugetlb) {
	for _, size := range pageSizes(r.dir, "hugetlb.*.usage_in_bytes") {
		name := "hugetlb." + size
		if r.has(name + ".rsvd.usage_in_bytes") {
			name += ".rsvd"
		}
		all[size] = Hugetlb{Usage: r.number(name + ".usage_in_bytes"), Max: r.number(name + ".max_usage_in_bytes"), Failcnt: r.number(name + ".failcnt")}
	}
}

// pageSizes lists the sizes that a cgroup has files for: "2MB".
func pageSizes(dir, pattern string) []string {
	names, _ := filepath.Glob(filepath.Join(dir, pattern)) // errs for a bad pattern alone
	var sizes []string
	for _, n := range names {
		size := strings.Split(filepath.Base(n), ".")[1]
		if !strings.Contains(filepath.Base(n), ".rsvd.") {
			sizes = append(sizes, size)
		}
	}
	return sizes
}
