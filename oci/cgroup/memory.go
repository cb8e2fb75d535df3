// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// memory ignores the limits of kernel memory and of TCP buffers, as runc does: Linux 5.4 has removed the first, and v2 has neither.
func (t *translator) memory(m *specs.LinuxMemory) {
	if m == nil {
		return
	}
	oomOff := m.DisableOOMKiller != nil && *m.DisableOOMKiller
	limit, swap, low := value(m.Limit), value(m.Swap), value(m.Reservation)
	if limit == 0 && swap == 0 && low == 0 && m.Swappiness == nil && !oomOff {
		return
	}
	version := t.need("memory")
	if version == 0 {
		return
	}
	t.checkUsage(m, limit, swap, version)
	if version == 2 {
		if oomOff || m.Swappiness != nil {
			t.warn("swappiness and disableOOMKiller are not enforced on cgroup v2", "memory")
		}
		t.memoryV2(limit, swap, low)
		return
	}
	t.memoryV1(limit, swap)
	if low != 0 {
		t.put("memory", "memory.soft_limit_in_bytes", strconv.FormatInt(low, 10))
	}
	if oomOff {
		t.writes = append(t.writes, write{controller: "memory", file: "memory.oom_control", value: "1", old: oldOOMControl})
	}
	if m.Swappiness != nil {
		if *m.Swappiness > 100 {
			t.fail(ErrInvalid, "memory swappiness %d is over 100", *m.Swappiness)
			return
		}
		t.put("memory", "memory.swappiness", strconv.FormatUint(*m.Swappiness, 10))
	}
}

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return max(*n, -1)
}

// oldOOMControl picks oom_kill_disable's number from the lines of memory.oom_control.
func oldOOMControl(content string) string {
	for line := range strings.Lines(content) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill_disable "); ok {
			return n
		}
	}
	return "0"
}

// checkUsage refuses limits of memory, or of memory and swap, that are not above the memory that is used: on v2 the kernel would set them and kill.
func (t *translator) checkUsage(m *specs.LinuxMemory, limit, swap int64, version int) {
	if m.CheckBeforeUpdate == nil || !*m.CheckBeforeUpdate {
		return
	}
	file := "memory.usage_in_bytes"
	if version == 2 {
		file = "memory.current"
	}
	for _, n := range []int64{limit, swap} {
		if n <= 0 {
			continue
		}
		if usage, ok := t.currentUint("memory", file); ok && usage >= uint64(n) {
			t.fail(ErrBelowUsage, "limit %d, usage %d", n, usage)
			return
		}
	}
}

const (
	fileLimit = "memory.limit_in_bytes"
	fileMemsw = "memory.memsw.limit_in_bytes" // memory and swap; not there without swap accounting
)

// memoryV1: the kernel keeps limit <= memsw at every moment. So memsw goes first where it grows, and last where it shrinks.
func (t *translator) memoryV1(limit, swap int64) {
	memsw, limited := t.currentUint("memory", fileMemsw)
	limited = limited && memsw != NoLimit
	optional := false
	switch {
	case limit == -1 && swap == 0:
		swap, optional = -1, true
	case limit > 0 && swap == 0 && limited:
		// Keep the amount of swap that is allowed, as v2 does.
		old, _ := t.currentUint("memory", fileLimit)
		swap = limit + int64(memsw-min(old, memsw))
	case limit > 0 && swap > 0 && swap < limit:
		t.fail(ErrInvalid, "memory+swap limit %d is below the memory limit %d", swap, limit)
		return
	case limit == 0 && swap > 0 && t.current == nil:
		t.fail(ErrInvalid, "memory+swap limit %d without a memory limit", swap)
		return
	}
	writes := []write{
		{controller: "memory", file: fileLimit, value: strconv.FormatInt(limit, 10)},
		{controller: "memory", file: fileMemsw, value: strconv.FormatInt(swap, 10), optional: optional || swap <= limit},
	}
	if limited && (swap == -1 || uint64(swap) >= memsw) {
		writes[0], writes[1] = writes[1], writes[0]
	}
	for _, w := range writes {
		if w.value != "0" {
			t.writes = append(t.writes, w)
		}
	}
}

// memoryV2: memory.swap.max is swap alone. A host without swap accounting can still promise no swap, or no limit of it.
func (t *translator) memoryV2(limit, swap, low int64) {
	base := limit
	if base == 0 && swap > 0 {
		if now, ok := t.currentUint("memory", "memory.max"); ok && now != NoLimit {
			base = int64(now)
		} else {
			t.fail(ErrInvalid, "memory+swap limit %d without a memory limit", swap)
			return
		}
	}
	if swap > 0 && base > 0 && swap < base {
		t.fail(ErrInvalid, "memory+swap limit %d is below the memory limit %d", swap, base)
		return
	}
	if limit == -1 && swap == 0 {
		swap = -1 // unlimited memory and nothing said about swap means both, as on v1
	}
	if swap != 0 {
		only := swap
		if swap > 0 && base > 0 {
			only = swap - base
		}
		w := write{controller: "memory", file: "memory.swap.max", value: limitString(only), optional: only <= 0}
		t.writes = append(t.writes, w)
	}
	if limit != 0 {
		t.put("memory", "memory.max", limitString(limit))
	}
	if low != 0 {
		t.put("memory", "memory.low", limitString(low))
	}
}
