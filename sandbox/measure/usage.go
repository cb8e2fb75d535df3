// SPDX-License-Identifier: Apache-2.0

package measure

import (
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/oci/cgroup"
)

// Value wraps a number as the CRI does.
func Value(n uint64) *runtime.UInt64Value { return &runtime.UInt64Value{Value: n} }

// CPU is the CRI's form of the use of CPU time.
func CPU(s *cgroup.Stats, nanoCores *runtime.UInt64Value) *runtime.CpuUsage {
	return &runtime.CpuUsage{Timestamp: s.Time.UnixNano(), UsageCoreNanoSeconds: Value(s.CPU.Usage), UsageNanoCores: nanoCores, Psi: Pressure(s.CPU.Pressure)}
}

// Memory is the CRI's form of the use of memory.
func Memory(s *cgroup.Stats) *runtime.MemoryUsage {
	u := &runtime.MemoryUsage{
		Timestamp: s.Time.UnixNano(), WorkingSetBytes: Value(s.Memory.WorkingSet), UsageBytes: Value(s.Memory.Usage), RssBytes: Value(s.Memory.RSS),
		PageFaults: Value(s.Memory.PageFaults), MajorPageFaults: Value(s.Memory.MajorPageFaults), Psi: Pressure(s.Memory.Pressure),
	}
	if s.Memory.Limit != 0 { // without a limit there is nothing to be left of it
		u.AvailableBytes = Value(s.Memory.Limit - min(s.Memory.WorkingSet, s.Memory.Limit))
	}
	return u
}

// Swap is the CRI's form of the use of swap space.
func Swap(s *cgroup.Stats) *runtime.SwapUsage {
	u := &runtime.SwapUsage{Timestamp: s.Time.UnixNano(), SwapUsageBytes: Value(s.Swap.Usage)}
	if s.Swap.Limit != cgroup.NoLimit {
		u.SwapAvailableBytes = Value(s.Swap.Limit - min(s.Swap.Usage, s.Swap.Limit))
	}
	return u
}

// Pressure is the CRI's form of the pressure stall information; nil when the node has none.
func Pressure(p cgroup.Pressure) *runtime.PsiStats {
	if !p.Known {
		return nil
	}
	line := func(l cgroup.PressureLine) *runtime.PsiData {
		return &runtime.PsiData{Total: l.Total, Avg10: l.Avg10, Avg60: l.Avg60, Avg300: l.Avg300}
	}
	return &runtime.PsiStats{Full: line(p.Full), Some: line(p.Some)}
}
