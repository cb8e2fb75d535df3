// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"

	"google.golang.org/grpc/codes"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
	"crisp/test/images"
)

func limited(ctr *runtime.ContainerConfig, memory int64) *runtime.ContainerConfig {
	ctr.Linux.Resources = &runtime.LinuxContainerResources{
		CpuPeriod: 100_000, CpuQuota: 50_000, CpuShares: 512, MemoryLimitInBytes: memory, OomScoreAdj: 500,
	}
	return ctr
}

func TestOutOfMemoryIsReported(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("oom")
	id := n.run(n.runPod(pod), pod, limited(cri.Container("main", images.Busybox, "dd", "if=/dev/zero", "of=/dev/null", "bs=256M"), 32<<20))
	if s := n.exited(id); s.Reason != "OOMKilled" || s.ExitCode != 137 {
		t.Errorf("reason %q, exit code %d", s.Reason, s.ExitCode)
	}
}

func TestLimitsArriveInTheCgroup(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("limits")
	id := n.run(n.runPod(pod), pod, limited(cri.Container("main", images.Busybox, "sleep", "1000"), 64<<20))
	pid := n.pid(id)
	if got := cgroupFile(t, pid, "memory/memory.limit_in_bytes", "memory.max"); got != itoa(64<<20) {
		t.Errorf("memory limit %q", got)
	}
	if got := n.exec(id, "cat", "/proc/1/oom_score_adj"); got != "500\n" {
		t.Errorf("oom_score_adj %q", got)
	}

	_, err := n.UpdateContainerResources(n.ctx, &runtime.UpdateContainerResourcesRequest{
		ContainerId: id, Linux: &runtime.LinuxContainerResources{MemoryLimitInBytes: 96 << 20, CpuQuota: 20_000},
	})
	n.must(err)
	if got := cgroupFile(t, pid, "memory/memory.limit_in_bytes", "memory.max"); got != itoa(96<<20) {
		t.Errorf("memory limit after the update %q", got)
	}
	r := n.status(id).Resources.GetLinux()
	if r.GetMemoryLimitInBytes() != 96<<20 || r.GetCpuQuota() != 20_000 || r.GetCpuPeriod() != 100_000 || r.GetCpuShares() != 512 {
		t.Errorf("status after the update: %v", r)
	}
	_, err = n.UpdateContainerResources(n.ctx, &runtime.UpdateContainerResourcesRequest{ContainerId: "absent", Linux: r})
	n.wantCode(err, codes.NotFound)
}

func TestUpdateSurvivesARestart(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("updated")
	id := n.run(n.runPod(pod), pod, limited(cri.Container("main", images.Busybox, "sleep", "1000"), 64<<20))
	_, err := n.UpdateContainerResources(n.ctx, &runtime.UpdateContainerResourcesRequest{
		ContainerId: id, Linux: &runtime.LinuxContainerResources{MemoryLimitInBytes: 96 << 20},
	})
	n.must(err)
	n.crash()
	n.restart()
	if got := n.status(id).Resources.GetLinux().GetMemoryLimitInBytes(); got != 96<<20 {
		t.Errorf("memory limit after the restart: %d", got)
	}
}

func TestStatsSayWhatAContainerUses(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("stats")
	ctr := cri.Container("main", images.Busybox, "sh", "-c", "dd if=/dev/zero of=/file bs=1M count=3; while :; do :; done")
	ctr.Labels = map[string]string{"which": "busy"}
	id := n.run(n.runPod(pod), pod, ctr)
	var s *runtime.ContainerStats
	n.eventually("the container used the CPU and wrote its file", func() bool {
		resp, err := n.ContainerStats(n.ctx, &runtime.ContainerStatsRequest{ContainerId: id})
		n.must(err)
		s = resp.Stats
		return s.GetCpu().GetUsageCoreNanoSeconds().GetValue() > 10e6 && s.GetWritableLayer().GetUsedBytes().GetValue() >= 3<<20
	})
	if s.GetMemory().GetWorkingSetBytes().GetValue() == 0 || s.GetAttributes().GetId() != id || s.GetCpu().GetTimestamp() == 0 {
		t.Errorf("stats %v", s)
	}
	for label, want := range map[string]int{"busy": 1, "idle": 0} {
		resp, err := n.ListContainerStats(n.ctx, &runtime.ListContainerStatsRequest{
			Filter: &runtime.ContainerStatsFilter{LabelSelector: map[string]string{"which": label}},
		})
		n.must(err)
		if len(resp.Stats) != want {
			t.Errorf("%d stats with label %s, want %d", len(resp.Stats), label, want)
		}
	}
}
