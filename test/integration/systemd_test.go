// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
	"crisp/test/images"
)

// These need a systemd that is the host's init; the lane of test/vm has one.

// newSystemdNode starts a daemon that has systemd make its cgroups. slice is the pods'.
func newSystemdNode(t *testing.T) (n *node, slice string) {
	t.Helper()
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		t.Skip("systemd is not this host's init: ", err)
	}
	slice = fmt.Sprintf("crispnode%d.slice", os.Getpid())
	t.Cleanup(func() { // what is below it is gone; a slice stays until somebody stops it
		if out, err := exec.Command("systemctl", "stop", slice).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	return newNode(t, "--cgroup-driver", "systemd", "--cgroup-parent", "/"+slice), slice
}

// podIn is a pod as the kubelet asks for it: with the whole path of its slice.
func podIn(slice, name string) (*runtime.PodSandboxConfig, string) {
	pod := cri.Pod(name)
	own := strings.TrimSuffix(slice, ".slice") + "-pod" + name + ".slice"
	pod.Linux.CgroupParent = "/" + slice + "/" + own
	return pod, own
}

func unitOf(id string) string { return "crisp-" + id + ".scope" }

func (n *node) show(unit, property string) string {
	n.t.Helper()
	out, err := exec.Command("systemctl", "show", "--value", "-p", property, unit).CombinedOutput()
	n.must(err)
	return strings.TrimSpace(string(out))
}

// TestSystemdPods: the kubelet is told SYSTEMD, every container is a scope in its pod's slice, with its limits, also after the daemon was killed,
// and nothing of it is left when it is removed.
func TestSystemdPods(t *testing.T) {
	n, slice := newSystemdNode(t)
	c, err := n.RuntimeConfig(n.ctx, &runtime.RuntimeConfigRequest{})
	n.must(err)
	if c.Linux.GetCgroupDriver() != runtime.CgroupDriver_SYSTEMD {
		t.Errorf("runtime config %v", c)
	}
	pod, own := podIn(slice, "scoped")
	pod.Annotations = map[string]string{"org.systemd.property.Slice": "'system.slice'"} // CVE-2024-3154: nothing comes of it
	podID := n.runPod(pod)
	id := n.run(podID, pod, limited(cri.Container("main", images.Busybox, "sleep", "1000"), 64<<20))
	for _, unit := range []string{unitOf(podID), unitOf(id)} {
		if s := n.show(unit, "ActiveState") + " " + n.show(unit, "Slice"); s != "active "+own {
			t.Errorf("%s: %s", unit, s)
		}
	}
	if got := n.show(unitOf(id), "MemoryMax"); got != itoa(64<<20) {
		t.Error("MemoryMax=", got)
	}
	text, err := os.ReadFile("/proc/" + itoa(n.pid(id)) + "/cgroup")
	n.must(err)
	if want := "0::/" + filepath.Join(slice, own, unitOf(id)); strings.TrimSpace(string(text)) != want {
		t.Errorf("%s is not %s", text, want)
	}
	n.crash()
	n.restart()
	_, err = n.UpdateContainerResources(n.ctx, &runtime.UpdateContainerResourcesRequest{
		ContainerId: id, Linux: &runtime.LinuxContainerResources{MemoryLimitInBytes: 96 << 20, CpuQuota: 20_000},
	})
	n.must(err)
	if n.show(unitOf(id), "MemoryMax") != itoa(96<<20) || n.show(unitOf(id), "CPUQuotaPerSecUSec") != "200ms" || cgroupFile(t, n.pid(id), "memory/memory.limit_in_bytes", "memory.max") != itoa(96<<20) {
		t.Error("not updated: ", n.show(unitOf(id), "MemoryMax"), n.show(unitOf(id), "CPUQuotaPerSecUSec"), cgroupFile(t, n.pid(id), "memory/memory.limit_in_bytes", "memory.max"))
	}
	stats, err := n.PodSandboxStats(n.ctx, &runtime.PodSandboxStatsRequest{PodSandboxId: podID})
	n.must(err)
	if stats.GetStats().GetLinux().GetProcess().GetProcessCount().GetValue() != 2 { // of the slice: pause and sleep
		t.Error("stats of the pod: ", stats)
	}
	_, err = n.StopPodSandbox(n.ctx, &runtime.StopPodSandboxRequest{PodSandboxId: podID})
	n.must(err)
	_, err = n.RemovePodSandbox(n.ctx, &runtime.RemovePodSandboxRequest{PodSandboxId: podID})
	n.must(err)
	for _, unit := range []string{unitOf(podID), unitOf(id)} {
		if got := n.show(unit, "LoadState"); got != "not-found" {
			t.Errorf("%s is left: %s", unit, got)
		}
	}
	bad := cri.Pod("misnamed")
	bad.Linux.CgroupParent = "/kubepods/pod1"
	_, err = n.RunPodSandbox(n.ctx, &runtime.RunPodSandboxRequest{Config: bad})
	n.wantCode(err, codes.InvalidArgument)
}

// TestSystemdCrashLeavesNoScope: the daemon is killed at some moments of a pod's creation. Its successor finds what is there.
func TestSystemdCrashLeavesNoScope(t *testing.T) {
	n, slice := newSystemdNode(t)
	started := time.Now()
	pod, _ := podIn(slice, "first")
	n.runPod(pod)
	whole := time.Since(started)
	const moments = 4
	for i := range moments {
		pod, _ := podIn(slice, fmt.Sprint("crash", i))
		done := make(chan error, 1)
		go func(c *cri.Client) {
			_, err := c.RunPodSandbox(n.ctx, &runtime.RunPodSandboxRequest{Config: pod})
			done <- err
		}(n.Client)
		select {
		case <-done: // it was faster this time
		case <-time.After(whole * time.Duration(i+1) / (moments + 1)):
		}
		n.crash()
		n.restart()
	}
	n.must(n.RemoveAllPods(n.ctx))
	n.eventually("no scope is left", func() bool {
		out, err := exec.Command("systemctl", "list-units", "--all", "--no-legend", "crisp-*.scope").CombinedOutput()
		n.must(err)
		return len(out) == 0
	})
}

// TestSystemdOutOfMemory: systemd removes the cgroup of a container that has ended; the reason is known nevertheless.
func TestSystemdOutOfMemory(t *testing.T) {
	n, slice := newSystemdNode(t)
	pod, _ := podIn(slice, "oom")
	podID := n.runPod(pod)
	for i := range 8 {
		ctr := limited(cri.Container(fmt.Sprint("main", i), images.Busybox, "dd", "if=/dev/zero", "of=/dev/null", "bs=256M"), 32<<20)
		if s := n.exited(n.run(podID, pod, ctr)); s.Reason != "OOMKilled" || s.ExitCode != 137 {
			t.Errorf("%d: reason %q, exit code %d", i, s.Reason, s.ExitCode)
		}
	}
}
