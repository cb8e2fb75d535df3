// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"math"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// defaultPeriod is the kernel's, in microseconds.
const defaultPeriod = 100000

func (t *translator) cpu(c *specs.LinuxCPU) {
	if c == nil || !usesCPU(c) {
		return
	}
	switch t.need("cpu") {
	case 1:
		t.cpuV1(c)
	case 2:
		t.cpuV2(c)
	}
}

func usesCPU(c *specs.LinuxCPU) bool {
	return c.Shares != nil || c.Quota != nil || c.Period != nil || c.Burst != nil || c.Idle != nil ||
		c.RealtimePeriod != nil || c.RealtimeRuntime != nil
}

// cpuV1: quota, period and burst bound each other, so the kernel may refuse the first of them until the others are there.
func (t *translator) cpuV1(c *specs.LinuxCPU) {
	if !t.idle(c) && c.Shares != nil && *c.Shares != 0 {
		t.put("cpu", "cpu.shares", strconv.FormatUint(*c.Shares, 10))
	}
	t.bound("cpu.rt_period_us", c.RealtimePeriod)
	if c.RealtimeRuntime != nil && *c.RealtimeRuntime != 0 {
		t.put("cpu", "cpu.rt_runtime_us", strconv.FormatInt(*c.RealtimeRuntime, 10))
	}
	t.bound("cpu.cfs_period_us", c.Period)
	t.bound("cpu.cfs_burst_us", c.Burst)
	if c.Quota != nil && *c.Quota != 0 {
		quota := max(*c.Quota, -1)
		if t.percents && quota > 0 {
			quota = wholePercents(quota, t.periodV1(c))
		}
		w := write{controller: "cpu", file: "cpu.cfs_quota_us", value: strconv.FormatInt(quota, 10), later: true}
		t.writes = append(t.writes, w)
	}
}

func (t *translator) bound(file string, value *uint64) {
	if value == nil || *value == 0 && file != "cpu.cfs_burst_us" {
		return
	}
	t.writes = append(t.writes, write{controller: "cpu", file: file, value: strconv.FormatUint(*value, 10), later: true})
}

// idle comes before the weight, which an idle cgroup has none of: the kernel refuses to set it.
func (t *translator) idle(c *specs.LinuxCPU) (is bool) {
	if c.Idle == nil {
		return false
	}
	t.put("cpu", "cpu.idle", strconv.FormatInt(*c.Idle, 10))
	return *c.Idle == 1
}

func (t *translator) cpuV2(c *specs.LinuxCPU) {
	if c.RealtimePeriod != nil || c.RealtimeRuntime != nil {
		t.warn("realtime CPU limits are not enforced on cgroup v2", "cpu")
	}
	if !t.idle(c) && c.Shares != nil && *c.Shares != 0 {
		t.put("cpu", "cpu.weight", strconv.FormatUint(weight(*c.Shares), 10))
	}
	if c.Burst != nil {
		w := write{controller: "cpu", file: "cpu.max.burst", value: strconv.FormatUint(*c.Burst, 10), later: true}
		t.writes = append(t.writes, w)
	}
	quota, period := "", ""
	if c.Quota != nil && *c.Quota != 0 {
		quota = limitString(*c.Quota)
	}
	if c.Period != nil && *c.Period != 0 {
		period = strconv.FormatUint(*c.Period, 10)
	}
	if quota == "" && period == "" {
		return
	}
	t.put("cpu", "cpu.max", t.cpuMax(quota, period))
}

// cpuMax keeps the half of "quota period" that is not given.
func (t *translator) cpuMax(quota, period string) string {
	old := []string{"max", strconv.Itoa(defaultPeriod)}
	if t.current != nil {
		if s, err := t.current("cpu", "cpu.max"); err == nil && len(strings.Fields(s)) == 2 {
			old = strings.Fields(s)
		}
	}
	if quota == "" {
		quota = old[0]
	}
	if period == "" {
		period = old[1]
	}
	if q, err := strconv.ParseInt(quota, 10, 64); err == nil && t.percents { // not "max"
		p, _ := strconv.ParseUint(period, 10, 64)
		quota = strconv.FormatInt(wholePercents(q, p), 10)
	}
	return quota + " " + period
}

func (t *translator) periodV1(c *specs.LinuxCPU) uint64 {
	if c.Period != nil && *c.Period != 0 {
		return *c.Period
	}
	if now, ok := t.currentUint("cpu", "cpu.cfs_period_us"); ok {
		return now
	}
	return defaultPeriod
}

// wholePercents rounds a quota up to whole percents of a CPU, as runc does for systemd, which keeps no more of it: otherwise the next time
// that it writes its files the container would get less than it asked for.
func wholePercents(quota int64, period uint64) int64 {
	const second, percent = 1000000, 10000 // in microseconds
	if period == 0 || quota <= 0 || quota > math.MaxInt64/second {
		return quota
	}
	perSecond := uint64(quota) * second / period
	if perSecond%percent == 0 {
		return quota
	}
	return int64((perSecond/percent + 1) * percent * period / second)
}

// weight converts CPU shares (2 … 262144, default 1024) to a cpu.weight (1 … 10000, default 100), by the quadratic function
// through the three points that runc and crun use since 2025 (github.com/opencontainers/cgroups PR 20):
//
//	l = log2(shares); weight = ceil(10^((l² + 125 l)/612 - 7/34))
func weight(shares uint64) uint64 {
	switch {
	case shares <= 2:
		return 1
	case shares >= 262144:
		return 10000
	}
	l := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

// cpuset has the same files on v1 and v2.
func (t *translator) cpuset(c *specs.LinuxCPU) {
	if c == nil || c.Cpus == "" && c.Mems == "" || t.need("cpuset") == 0 {
		return
	}
	t.list("cpuset.cpus", c.Cpus)
	t.list("cpuset.mems", c.Mems)
}

func (t *translator) list(file, value string) {
	if strings.Trim(value, "0123456789,- ") != "" {
		t.fail(ErrInvalid, "%s %q", file, value)
		return
	}
	if value != "" {
		t.put("cpuset", file, value)
	}
}
