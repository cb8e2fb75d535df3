// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"crisp/oci/cgroup"
	"crisp/oci/cgroup/systemd/dbus"
)

// infinity is what stands for no limit.
const infinity = math.MaxUint64

// Versions of systemd from which on a property is there.
const (
	withQuotaPeriod = 242 // CPUQuotaPeriodUSec
	withCPUSets     = 244 // AllowedCPUs, AllowedMemoryNodes
	withCPUIdle     = 252 // CPUWeight=0
	withOOMPolicy   = 253 // of scopes
)

// A limiter collects properties for what files are to say. Those that no property stands for are the files' alone: systemd does not touch them.
type limiter struct {
	list    dbus.Properties
	since   func(version int64) bool
	initial bool // of a new unit: some properties cannot be changed later
	idle    bool
	err     error
}

// limits translates settings, as the unit's type and the host's version of cgroups have the properties.
func (s *session) limits(settings []cgroup.Setting, initial bool) (dbus.Properties, error) {
	var versionErr error
	l := limiter{initial: initial, since: func(version int64) bool {
		n, err := s.version()
		if err != nil {
			versionErr = err
		}
		return n >= version
	}}
	for _, t := range settings {
		l.add(t.File, strings.TrimSpace(t.Value))
	}
	l.quotaV1(settings)
	if l.err == nil {
		l.err = versionErr
	}
	return l.list, l.err
}

// put adds a property, or replaces it: what is written last counts.
func (l *limiter) put(name string, value any) {
	for i := range l.list {
		if l.list[i].Name == name {
			l.list[i].Value = value
			return
		}
	}
	l.list = append(l.list, dbus.Property{Name: name, Value: value})
}

func (l *limiter) add(file, value string) {
	switch file {
	case "memory.max":
		l.number("MemoryMax", value)
	case "memory.high":
		l.number("MemoryHigh", value)
	case "memory.low":
		l.number("MemoryLow", value)
	case "memory.min":
		l.number("MemoryMin", value)
	case "memory.swap.max":
		l.number("MemorySwapMax", value)
	case "memory.limit_in_bytes":
		l.number("MemoryLimit", value)
	case "memory.oom.group":
		l.oomPolicy(value)
	case "pids.max":
		l.tasks(value)
	case "blkio.bfq.weight", "blkio.weight":
		l.number("BlockIOWeight", value)
	default:
		l.addCPU(file, value)
	}
}

func (l *limiter) addCPU(file, value string) {
	switch file {
	case "cpu.idle":
		l.idle = value == "1" && l.since(withCPUIdle) // 0 cannot be said; the weight says it
		if l.idle {
			l.put("CPUWeight", uint64(0))
		}
	case "cpu.weight":
		if !l.idle {
			l.number("CPUWeight", value)
		}
	case "cpu.shares":
		l.number("CPUShares", value)
	case "cpu.max":
		quota, period, _ := strings.Cut(value, " ")
		l.quota(file, quota, strings.TrimSpace(period))
	case "cpuset.cpus":
		l.set("AllowedCPUs", value)
	case "cpuset.mems":
		l.set("AllowedMemoryNodes", value)
	}
}

func (l *limiter) fail(file, value string) {
	if l.err == nil {
		l.err = fmt.Errorf("%w: %s %q", cgroup.ErrInvalid, file, value)
	}
}

// number is digits, or "max" or "-1" for none.
func (l *limiter) number(name, value string) {
	n, ok := parse(value)
	if !ok {
		l.fail(name, value)
		return
	}
	l.put(name, n)
}

func parse(value string) (uint64, bool) {
	if value == "max" || value == "-1" {
		return infinity, true
	}
	n, err := strconv.ParseUint(value, 10, 64)
	return n, err == nil
}

// tasks: systemd takes no 0.
func (l *limiter) tasks(value string) {
	if value == "0" {
		value = "1"
	}
	l.number("TasksMax", value)
}

// oomPolicy can be given to new units only.
func (l *limiter) oomPolicy(value string) {
	if !l.initial || !l.since(withOOMPolicy) {
		return
	}
	switch value {
	case "0":
		l.put("OOMPolicy", "continue")
	case "1":
		l.put("OOMPolicy", "kill")
	}
}

const defaultPeriod = 100000

// quota sets the quota and the period that both are for. systemd has the quota for a second, and keeps whole percents of it.
func (l *limiter) quota(file, quota, period string) {
	perSecond, ok := parse(quota)
	length := uint64(defaultPeriod)
	if period != "" {
		var err error
		if length, err = strconv.ParseUint(period, 10, 64); err != nil || length == 0 {
			ok = false
		}
	}
	if !ok || perSecond != infinity && perSecond > math.MaxUint64/1000000 {
		l.fail(file, quota+" "+period)
		return
	}
	if l.since(withQuotaPeriod) {
		l.put("CPUQuotaPeriodUSec", length)
	}
	if perSecond != infinity {
		const percent = 10000
		perSecond = (perSecond*1000000/length + percent - 1) / percent * percent
	}
	l.put("CPUQuotaPerSecUSec", perSecond)
}

// quotaV1: v1 has a file for each of quota and period.
func (l *limiter) quotaV1(settings []cgroup.Setting) {
	quota, period := "", ""
	for _, t := range settings {
		switch t.File {
		case "cpu.cfs_quota_us":
			quota = t.Value
		case "cpu.cfs_period_us":
			period = t.Value
		}
	}
	if quota != "" {
		l.quota("cpu.cfs_quota_us", quota, period)
	}
}

// set writes a list like "0-3,8" as a mask, whose first byte has the lowest numbers.
func (l *limiter) set(name, value string) {
	mask, ok := bits(value)
	if !ok {
		l.fail(name, value)
		return
	}
	if l.since(withCPUSets) {
		l.put(name, mask)
	}
}

// maxBits is more than any kernel has of CPUs (CONFIG_NR_CPUS) and memory nodes.
const maxBits = 1 << 16

func bits(list string) (mask []byte, ok bool) {
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 32)
		to, err2 := strconv.ParseUint(last, 10, 32)
		if err1 != nil || err2 != nil || from > to || to >= maxBits {
			return nil, false
		}
		for ; from <= to; from++ {
			for uint64(len(mask)) <= from/8 {
				mask = append(mask, 0)
			}
			mask[from/8] |= 1 << (from % 8)
		}
	}
	return mask, len(mask) > 0
}
