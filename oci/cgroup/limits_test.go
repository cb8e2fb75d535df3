// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// translateFor translates for a host with all controllers of a version but those named. files are an existing cgroup's; nil: it is new.
func translateFor(version int, files map[string]string, r *specs.LinuxResources, missing ...string) (string, error) {
	t := &translator{warn: func(string, string) {}}
	t.version = func(controller string) int {
		absent := slices.Contains(missing, controller)
		switch controller {
		case "io":
			absent = absent || version == 1
		case "blkio", "net_cls", "net_prio":
			absent = absent || version == 2
		}
		if absent {
			return 0
		}
		return version
	}
	if files != nil {
		t.current = func(_, file string) (string, error) {
			if s, ok := files[file]; ok {
				return s, nil
			}
			return "", unix.ENOENT
		}
	}
	t.resources(r)
	var b strings.Builder
	for _, w := range t.writes {
		b.WriteString(w.file + "=" + w.value)
		if w.optional {
			b.WriteString(" optional")
		}
		if w.later {
			b.WriteString(" later")
		}
		if w.or != nil {
			b.WriteString(" or " + w.or.file + "=" + w.or.value)
		}
		b.WriteString("\n")
	}
	return b.String(), errors.Join(t.errs...)
}

func mem(limit, swap int64) *specs.LinuxResources {
	m := &specs.LinuxMemory{}
	if limit != 0 {
		m.Limit = &limit
	}
	if swap != 0 {
		m.Swap = &swap
	}
	return &specs.LinuxResources{Memory: m}
}

func TestMemoryWrites(t *testing.T) {
	tests := map[string]struct {
		version int
		files   map[string]string
		r       *specs.LinuxResources
		want    string
		err     error
	}{
		"v1 new, no swap":         {1, nil, mem(100, 100), "memory.limit_in_bytes=100\nmemory.memsw.limit_in_bytes=100 optional\n", nil},
		"v1 new, some swap":       {1, nil, mem(100, 150), "memory.limit_in_bytes=100\nmemory.memsw.limit_in_bytes=150\n", nil},
		"v1 new, limit only":      {1, nil, mem(100, 0), "memory.limit_in_bytes=100\n", nil},
		"v1 unlimited is both":    {1, nil, mem(-1, 0), "memory.limit_in_bytes=-1\nmemory.memsw.limit_in_bytes=-1 optional\n", nil},
		"v1 swap below memory":    {1, nil, mem(100, 50), "", ErrInvalid},
		"v1 swap without memory":  {1, nil, mem(0, 50), "", ErrInvalid},
		"v1 grow":                 {1, v1Memory("100", "100"), mem(200, 200), "memory.memsw.limit_in_bytes=200 optional\nmemory.limit_in_bytes=200\n", nil},
		"v1 shrink":               {1, v1Memory("100", "100"), mem(50, 50), "memory.limit_in_bytes=50\nmemory.memsw.limit_in_bytes=50 optional\n", nil},
		"v1 grow keeps no swap":   {1, v1Memory("100", "100"), mem(200, 0), "memory.memsw.limit_in_bytes=200 optional\nmemory.limit_in_bytes=200\n", nil},
		"v1 shrink keeps swap":    {1, v1Memory("100", "130"), mem(50, 0), "memory.limit_in_bytes=50\nmemory.memsw.limit_in_bytes=80\n", nil},
		"v1 first limit":          {1, v1Memory("9223372036854771712", "9223372036854771712"), mem(50, 0), "memory.limit_in_bytes=50\n", nil},
		"v1 no swap accounting":   {1, map[string]string{"memory.limit_in_bytes": "7"}, mem(50, 50), "memory.limit_in_bytes=50\nmemory.memsw.limit_in_bytes=50 optional\n", nil},
		"v1 lift":                 {1, v1Memory("100", "100"), mem(-1, -1), "memory.memsw.limit_in_bytes=-1 optional\nmemory.limit_in_bytes=-1\n", nil},
		"v2 no swap":              {2, nil, mem(100, 100), "memory.swap.max=0 optional\nmemory.max=100\n", nil},
		"v2 some swap":            {2, nil, mem(100, 150), "memory.swap.max=50\nmemory.max=100\n", nil},
		"v2 limit only":           {2, nil, mem(100, 0), "memory.max=100\n", nil},
		"v2 unlimited is both":    {2, nil, mem(-1, 0), "memory.swap.max=max optional\nmemory.max=max\n", nil},
		"v2 unlimited swap":       {2, nil, mem(100, -1), "memory.swap.max=max optional\nmemory.max=100\n", nil},
		"v2 swap below memory":    {2, nil, mem(100, 50), "", ErrInvalid},
		"v2 swap without memory":  {2, nil, mem(0, 50), "", ErrInvalid},
		"v2 swap on known memory": {2, map[string]string{"memory.max": "40"}, mem(0, 50), "memory.swap.max=10\n", nil},
		"v2 unlimited, swap as is": {
			2, nil, mem(-1, 50), "memory.swap.max=50\nmemory.max=max\n", nil,
		},
	}
	for name, test := range tests {
		got, err := translateFor(test.version, test.files, test.r)
		if !errors.Is(err, test.err) || err == nil && got != test.want {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
}

func checked(r *specs.LinuxResources) *specs.LinuxResources {
	r.Memory.CheckBeforeUpdate = ptr(true)
	return r
}

func v1Memory(limit, memsw string) map[string]string {
	return map[string]string{"memory.limit_in_bytes": limit + "\n", "memory.memsw.limit_in_bytes": memsw + "\n"}
}

func TestWrites(t *testing.T) {
	cpu := func(c specs.LinuxCPU) *specs.LinuxResources { return &specs.LinuxResources{CPU: &c} }
	huge := &specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 0}}}
	io := &specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{
		Weight: ptr(uint16(500)), ThrottleWriteIOPSDevice: []specs.LinuxThrottleDevice{throttleDevice(8, 0, 7)},
		ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{throttleDevice(8, 0, 0)},
	}}
	tests := map[string]struct {
		version int
		files   map[string]string
		r       *specs.LinuxResources
		missing string
		want    string
		err     error
	}{
		"nothing":            {2, nil, &specs.LinuxResources{}, "memory", "", nil},
		"empty structs":      {2, nil, &specs.LinuxResources{Memory: &specs.LinuxMemory{}, CPU: &specs.LinuxCPU{}, Pids: &specs.LinuxPids{}}, "memory", "", nil},
		"pids":               {1, nil, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(5))}}, "", "pids.max=5\n", nil},
		"pids 0":             {2, nil, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(0))}}, "", "pids.max=max\n", nil},
		"pids missing":       {2, nil, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(5))}}, "pids", "", ErrNoController},
		"memory missing":     {1, nil, mem(5, 0), "memory", "", ErrNoController},
		"quota v1":           {1, nil, cpu(specs.LinuxCPU{Quota: ptr(int64(5000)), Period: ptr(uint64(10000)), Shares: ptr(uint64(2))}), "", "cpu.shares=2\ncpu.cfs_period_us=10000 later\ncpu.cfs_quota_us=5000 later\n", nil},
		"no quota v1":        {1, nil, cpu(specs.LinuxCPU{Quota: ptr(int64(-5)), Period: ptr(uint64(0))}), "", "cpu.cfs_quota_us=-1 later\n", nil},
		"quota v2":           {2, nil, cpu(specs.LinuxCPU{Quota: ptr(int64(5000)), Period: ptr(uint64(10000)), Shares: ptr(uint64(1024))}), "", "cpu.weight=100\ncpu.max=5000 10000\n", nil},
		"no quota v2":        {2, nil, cpu(specs.LinuxCPU{Quota: ptr(int64(-1)), Period: ptr(uint64(100000))}), "", "cpu.max=max 100000\n", nil},
		"period kept":        {2, map[string]string{"cpu.max": "max 7000\n"}, cpu(specs.LinuxCPU{Quota: ptr(int64(5000))}), "", "cpu.max=5000 7000\n", nil},
		"quota kept":         {2, map[string]string{"cpu.max": "3000 7000\n"}, cpu(specs.LinuxCPU{Period: ptr(uint64(9000))}), "", "cpu.max=3000 9000\n", nil},
		"quota 0":            {2, nil, cpu(specs.LinuxCPU{Quota: ptr(int64(0)), Shares: ptr(uint64(0))}), "", "", nil},
		"realtime on v2":     {2, nil, cpu(specs.LinuxCPU{RealtimePeriod: ptr(uint64(5))}), "", "", nil},
		"idle":               {2, nil, cpu(specs.LinuxCPU{Idle: ptr(int64(1)), Burst: ptr(uint64(9))}), "", "cpu.idle=1\ncpu.max.burst=9 later\n", nil},
		"cpuset":             {2, nil, cpu(specs.LinuxCPU{Cpus: "0-2,4", Mems: "0"}), "", "cpuset.cpus=0-2,4\ncpuset.mems=0\n", nil},
		"cpuset is a list":   {1, nil, cpu(specs.LinuxCPU{Cpus: "0\n1"}), "", "", ErrInvalid},
		"hugetlb v1":         {1, nil, huge, "", "hugetlb.2MB.limit_in_bytes=0\nhugetlb.2MB.rsvd.limit_in_bytes=0 optional\n", nil},
		"hugetlb v2":         {2, nil, huge, "", "hugetlb.2MB.max=0\nhugetlb.2MB.rsvd.max=0 optional\n", nil},
		"hugetlb missing":    {1, nil, huge, "hugetlb", "", nil},
		"unified on v1":      {1, nil, &specs.LinuxResources{Unified: map[string]string{"memory.high": "1"}}, "", "", ErrNoController},
		"unified":            {2, nil, &specs.LinuxResources{Unified: map[string]string{"memory.oom.group": "1", "memory.high": "max", "io.max": "8:0 rbps=1\n8:1 rbps=2\n"}}, "", "io.max=8:0 rbps=1\nio.max=8:1 rbps=2\nmemory.high=max\nmemory.oom.group=1\n", nil},
		"unified after all":  {2, nil, &specs.LinuxResources{Unified: map[string]string{"pids.max": "7"}, Pids: &specs.LinuxPids{Limit: ptr(int64(5))}}, "", "pids.max=5\npids.max=7\n", nil},
		"unified way out":    {2, nil, &specs.LinuxResources{Unified: map[string]string{"memory.high/../../x": "1"}}, "", "", ErrInvalid},
		"unified procs":      {2, nil, &specs.LinuxResources{Unified: map[string]string{"cgroup.procs": "1"}}, "", "", ErrInvalid},
		"unified no key":     {2, nil, &specs.LinuxResources{Unified: map[string]string{"": "1"}}, "", "", ErrInvalid},
		"block IO v1":        {1, nil, io, "", "blkio.bfq.weight=500 or blkio.weight=500\nblkio.throttle.read_bps_device=8:0 0\nblkio.throttle.write_iops_device=8:0 7\n", nil},
		"block IO v2":        {2, nil, io, "", "io.bfq.weight=500 or io.weight=4950\nio.max=8:0 rbps=max\nio.max=8:0 wiops=7\n", nil},
		"network v1":         {1, nil, &specs.LinuxResources{Network: &specs.LinuxNetwork{ClassID: ptr(uint32(9)), Priorities: []specs.LinuxInterfacePriority{{Name: "eth0", Priority: 3}}}}, "", "net_cls.classid=9\nnet_prio.ifpriomap=eth0 3\n", nil},
		"network v2":         {2, nil, &specs.LinuxResources{Network: &specs.LinuxNetwork{ClassID: ptr(uint32(9))}}, "", "", nil},
		"rdma":               {2, nil, &specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"mlx5_0": {HcaHandles: ptr(uint32(3))}}}, "", "rdma.max=mlx5_0 hca_handle=3\n", nil},
		"idle has no weight": {2, nil, cpu(specs.LinuxCPU{Idle: ptr(int64(1)), Shares: ptr(uint64(512))}), "", "cpu.idle=1\n", nil},
		"not idle":           {1, nil, cpu(specs.LinuxCPU{Idle: ptr(int64(0)), Shares: ptr(uint64(512))}), "", "cpu.idle=0\ncpu.shares=512\n", nil},
		"usage":              {2, map[string]string{"memory.current": "70"}, checked(mem(71, 71)), "", "memory.swap.max=0 optional\nmemory.max=71\n", nil},
		"below usage":        {2, map[string]string{"memory.current": "70"}, checked(mem(70, 0)), "", "", ErrBelowUsage},
		"swap below usage":   {2, map[string]string{"memory.current": "70", "memory.max": "50"}, checked(mem(0, 60)), "", "", ErrBelowUsage},
		"usage v1":           {1, map[string]string{"memory.usage_in_bytes": "70"}, checked(mem(50, 0)), "", "", ErrBelowUsage},
		"no check":           {2, map[string]string{"memory.current": "70"}, mem(50, 0), "", "memory.max=50\n", nil},
		"weight of a device": {2, nil, &specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{LeafWeight: ptr(uint16(10)), WeightDevice: []specs.LinuxWeightDevice{{Weight: ptr(uint16(10))}}}}, "", "io.bfq.weight=0:0 10 optional\n", nil},
		"swappiness v1":      {1, nil, &specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: ptr(uint64(10)), DisableOOMKiller: ptr(true), Reservation: ptr(int64(4))}}, "", "memory.soft_limit_in_bytes=4\nmemory.oom_control=1\nmemory.swappiness=10\n", nil},
		"swappiness 101":     {1, nil, &specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: ptr(uint64(101))}}, "", "", ErrInvalid},
		"swappiness v2":      {2, nil, &specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: ptr(uint64(10)), Reservation: ptr(int64(4))}}, "", "memory.low=4\n", nil},
		"TCP buffers":        {1, nil, &specs.LinuxResources{Memory: &specs.LinuxMemory{KernelTCP: ptr(int64(10))}}, "", "", nil},
	}
	for name, test := range tests {
		got, err := translateFor(test.version, test.files, test.r, test.missing)
		if !errors.Is(err, test.err) || err == nil && got != test.want {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
}

// TestQuotasOfADriver: systemd keeps whole percents of a CPU, so its containers get no others.
func TestQuotasOfADriver(t *testing.T) {
	for _, test := range []struct {
		quota  int64
		period uint64
		want   int64
	}{
		{50000, 100000, 50000}, {50001, 100000, 51000}, {1, 100000, 1000}, {10001, 100000, 11000}, {20500, 50000, 20500}, {20501, 50000, 21000},
		{1000, 3333, 1033}, {-1, 100000, -1}, {0, 100000, 0}, {5, 0, 5}, {1 << 62, 100000, 1 << 62},
	} {
		if got := wholePercents(test.quota, test.period); got != test.want {
			t.Errorf("%d of %d: %d, not %d", test.quota, test.period, got, test.want)
		}
	}
}

func TestOldValues(t *testing.T) {
	if got := oldOOMControl("oom_kill_disable 1\nunder_oom 0\noom_kill 3\n"); got != "1" {
		t.Error(got)
	}
	max := "8:16 rbps=1 wbps=max riops=max wiops=max\n8:0 rbps=max wbps=2 riops=max wiops=max\n"
	if got := oldOfKey("8:0", "none")(max); got != "8:0 rbps=max wbps=2 riops=max wiops=max" {
		t.Error(got)
	}
	if got := oldOfKey("8:1", "none")(max); got != "none" {
		t.Error(got)
	}
}
