// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// rlimits are the resources of process.rlimits (getrlimit(2)).
var rlimits = table[string, int]{
	{"RLIMIT_CPU", unix.RLIMIT_CPU}, {"RLIMIT_FSIZE", unix.RLIMIT_FSIZE}, {"RLIMIT_DATA", unix.RLIMIT_DATA},
	{"RLIMIT_STACK", unix.RLIMIT_STACK}, {"RLIMIT_CORE", unix.RLIMIT_CORE}, {"RLIMIT_RSS", unix.RLIMIT_RSS},
	{"RLIMIT_NPROC", unix.RLIMIT_NPROC}, {"RLIMIT_NOFILE", unix.RLIMIT_NOFILE}, {"RLIMIT_MEMLOCK", unix.RLIMIT_MEMLOCK},
	{"RLIMIT_AS", unix.RLIMIT_AS}, {"RLIMIT_LOCKS", unix.RLIMIT_LOCKS}, {"RLIMIT_SIGPENDING", unix.RLIMIT_SIGPENDING},
	{"RLIMIT_MSGQUEUE", unix.RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", unix.RLIMIT_NICE}, {"RLIMIT_RTPRIO", unix.RLIMIT_RTPRIO},
	{"RLIMIT_RTTIME", unix.RLIMIT_RTTIME},
}

// setLimits gives the process its session, priorities and limits.
func (a *assembly) setLimits() {
	a.newSession()
	a.plan.OOMAdj = a.process.OOMScoreAdj
	for _, l := range a.process.Rlimits {
		a.setRlimit(l)
	}
	if s := a.process.Scheduler; s != nil {
		a.about("set the scheduler")
		a.step(plan.OpSchedSetattr).Blob = schedAttr(s)
	}
	if p := a.process.IOPriority; p != nil {
		a.about("set the I/O priority")
		a.step(plan.OpIoprioSet, ioprioClasses.get(p.Class)<<13|uint64(p.Priority))
	}
	if p := a.spec.Linux.Personality; p != nil {
		if len(p.Flags) > 0 {
			a.warn("linux.personality.flags: ignored: none is defined by the runtime spec")
		}
		a.about("set the personality")
		a.step(plan.OpPersonality, personalities.get(p.Domain))
	}
	a.setMemoryPolicy()
}

// setRlimit sets one limit, clamped to the daemon's where it may not be raised: only CAP_SYS_RESOURCE of the host's
// user namespace allows that (do_prlimit).
func (a *assembly) setRlimit(l specs.POSIXRlimit) {
	resource := rlimits.get(l.Type)
	soft, hard := l.Soft, l.Hard
	if limit, ok := a.opts.Host.HardLimits[resource]; ok && hard > limit && (a.userns || !a.opts.Host.RaiseLimits) {
		a.warn("process.rlimits: %s: %s lowered to the daemon's own limit of %d", l.Type, limitText(hard), limit)
		hard = limit
		soft = min(soft, hard)
	}
	a.about("set %s", l.Type)
	a.step(plan.OpSetrlimit, uint64(resource), soft, hard)
}

func limitText(v uint64) string {
	if v == math.MaxUint64 {
		return "unlimited"
	}
	return strconv.FormatUint(v, 10)
}

// ioprioClasses are IOPRIO_CLASS_* of include/uapi/linux/ioprio.h.
var ioprioClasses = table[specs.IOPriorityClass, uint64]{
	{specs.IOPRIO_CLASS_RT, 1}, {specs.IOPRIO_CLASS_BE, 2}, {specs.IOPRIO_CLASS_IDLE, 3},
}

// personalities are PER_* of include/uapi/linux/personality.h.
var personalities = table[specs.LinuxPersonalityDomain, uint64]{{specs.PerLinux, 0}, {specs.PerLinux32, 8}}

// SCHED_* of include/uapi/linux/sched.h.
var schedPolicies = table[specs.LinuxSchedulerPolicy, uint32]{
	{specs.SchedOther, 0}, {specs.SchedFIFO, 1}, {specs.SchedRR, 2}, {specs.SchedBatch, 3}, {specs.SchedISO, 4}, {specs.SchedIdle, 5},
	{specs.SchedDeadline, 6},
}

// SCHED_FLAG_* of include/uapi/linux/sched.h.
var schedFlags = table[specs.LinuxSchedulerFlag, uint64]{
	{specs.SchedFlagResetOnFork, 0x01}, {specs.SchedFlagReclaim, 0x02}, {specs.SchedFlagDLOverrun, 0x04},
	{specs.SchedFlagKeepPolicy, 0x08}, {specs.SchedFlagKeepParams, 0x10}, {specs.SchedFlagUtilClampMin, 0x20},
	{specs.SchedFlagUtilClampMax, 0x40},
}

// schedAttr is struct sched_attr of include/uapi/linux/sched/types.h in its first version:
//
//	u32 size; u32 policy; u64 flags; s32 nice; u32 priority; u64 runtime; u64 deadline; u64 period
func schedAttr(s *specs.Scheduler) []byte {
	var flags uint64
	for _, f := range s.Flags {
		flags |= schedFlags.get(f)
	}
	e := binary.NativeEndian
	b := e.AppendUint32(nil, 48)
	b = e.AppendUint32(b, schedPolicies.get(s.Policy))
	b = e.AppendUint64(b, flags)
	b = e.AppendUint32(b, uint32(s.Nice))
	b = e.AppendUint32(b, uint32(s.Priority))
	b = e.AppendUint64(b, s.Runtime)
	b = e.AppendUint64(b, s.Deadline)
	return e.AppendUint64(b, s.Period)
}

// cpuMask turns a list like "0-3,8" into the bit mask of sched_setaffinity(2).
func cpuMask(list string) ([]byte, error) {
	mask := make([]byte, 8)
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		lo, err1 := strconv.ParseUint(first, 10, 16)
		hi, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || lo > hi || hi >= maxCPUs {
			return nil, fmt.Errorf("%q: not a list of CPUs", list)
		}
		for len(mask)*8 <= int(hi) {
			mask = append(mask, make([]byte, 8)...)
		}
		for i := lo; i <= hi; i++ {
			mask[i/8] |= 1 << (i % 8)
		}
	}
	return mask, nil
}

// maxCPUs is the largest CONFIG_NR_CPUS there is.
const maxCPUs = 8192
