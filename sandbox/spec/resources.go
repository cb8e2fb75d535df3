// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Resources turns the CRI's limits into OCI's; a field that is 0 or "" is left alone. Swap is memory plus swap in both
// (cgroup v1's way); a memory limit without a swap limit allows no swap.
func Resources(r *runtime.LinuxContainerResources, h Host) (*specs.LinuxResources, error) {
	out := &specs.LinuxResources{}
	if r == nil {
		return out, nil
	}
	if err := checkResources(r); err != nil {
		return nil, err
	}
	out.CPU = cpuResources(r)
	out.Memory = memoryResources(r)
	for _, l := range r.GetHugepageLimits() {
		out.HugepageLimits = append(out.HugepageLimits, specs.LinuxHugepageLimit{Pagesize: l.GetPageSize(), Limit: l.GetLimit()})
	}
	if len(r.GetUnified()) > 0 {
		if !h.CgroupV2 {
			return nil, fmt.Errorf("unified: %w: this node has cgroup v1", ErrUnsupported)
		}
		out.Unified = r.GetUnified()
	}
	return out, nil
}

func checkResources(r *runtime.LinuxContainerResources) error {
	for _, v := range []struct {
		name string
		n    int64
	}{{"cpu_period", r.GetCpuPeriod()}, {"cpu_shares", r.GetCpuShares()}, {"memory_limit_in_bytes", r.GetMemoryLimitInBytes()}} {
		if v.n < 0 {
			return invalid(v.name, fmt.Sprintf("%d is negative", v.n))
		}
	}
	if r.GetCpuQuota() < -1 {
		return invalid("cpu_quota", fmt.Sprintf("%d is below -1", r.GetCpuQuota()))
	}
	if swap, mem := r.GetMemorySwapLimitInBytes(), r.GetMemoryLimitInBytes(); swap > 0 && (mem == 0 || swap < mem) {
		return invalid("memory_swap_limit_in_bytes", fmt.Sprintf("%d is memory plus swap: it cannot be below the memory limit (%d)", swap, mem))
	}
	for _, list := range []string{r.GetCpusetCpus(), r.GetCpusetMems()} {
		if strings.Trim(list, "0123456789,-") != "" {
			return invalid("cpuset", fmt.Sprintf("%q is no list of numbers", list))
		}
	}
	for k := range r.GetUnified() {
		if strings.ContainsAny(k, "/\x00") || k == "" || strings.HasPrefix(k, ".") {
			return invalid("unified", fmt.Sprintf("%q is no cgroup file", k))
		}
	}
	return nil
}

func cpuResources(r *runtime.LinuxContainerResources) *specs.LinuxCPU {
	cpu := &specs.LinuxCPU{Cpus: r.GetCpusetCpus(), Mems: r.GetCpusetMems()}
	if v := r.GetCpuShares(); v > 0 {
		cpu.Shares = ptr(uint64(v))
	}
	if v := r.GetCpuQuota(); v != 0 {
		cpu.Quota = ptr(v)
	}
	if v := r.GetCpuPeriod(); v > 0 {
		cpu.Period = ptr(uint64(v))
	}
	if *cpu == (specs.LinuxCPU{}) {
		return nil
	}
	return cpu
}

func memoryResources(r *runtime.LinuxContainerResources) *specs.LinuxMemory {
	limit, swap := r.GetMemoryLimitInBytes(), r.GetMemorySwapLimitInBytes()
	if limit == 0 {
		return nil
	}
	if swap == 0 {
		swap = limit
	}
	return &specs.LinuxMemory{Limit: ptr(limit), Swap: ptr(swap)}
}

func ptr[T any](v T) *T { return &v }
