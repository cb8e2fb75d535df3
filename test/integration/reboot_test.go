// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
	"crisp/test/daemon"
	"crisp/test/images"
	"crisp/test/isolate"
	"crisp/test/lane"
)

// reboot does to a node what a reboot does: every process of crisp's ends at once, its state directory is empty, its cgroups and
// interfaces are gone, and the kernel has another boot ID.
func (n *node) reboot() {
	n.t.Helper()
	n.crash()
	n.killEverything()
	n.must(lane.UnmountBelow(filepath.Join(n.dir, "s")))
	n.must(os.RemoveAll(filepath.Join(n.dir, "s")))
	n.must(lane.RemoveCgroups(daemon.CgroupParent(n.dir)))
	n.removeLinks()

	const bootID = "/proc/sys/kernel/random/boot_id"
	other := filepath.Join(n.dir, "boot_id")
	n.must(os.WriteFile(other, []byte("11111111-2222-3333-4444-555555555555\n"), 0o444))
	n.must(unix.Mount(other, bootID, "", unix.MS_BIND, "")) // in the lane's own mount namespace
	n.t.Cleanup(func() { n.check(unix.Unmount(bootID, unix.MNT_DETACH)) })
	n.must(os.Mkdir(filepath.Join(n.dir, "s"), 0o711))
	n.restart()
}

// killEverything kills all processes of the lane but this one; the outer process reaps them.
func (n *node) killEverything() {
	n.t.Helper()
	others := func() []int {
		pids, err := isolate.Descendants(isolate.Outer())
		n.must(err)
		return slices.DeleteFunc(pids, func(pid int) bool { return pid == os.Getpid() })
	}
	n.eventually("every process of the lane is gone", func() bool {
		left := 0
		for _, pid := range others() {
			if unix.Kill(pid, unix.SIGKILL) == nil && !zombie(pid) {
				left++
			}
		}
		return left == 0
	})
}

func (n *node) removeLinks() {
	n.t.Helper()
	links, err := netlink.LinkList()
	n.must(err)
	for _, l := range links {
		if name := l.Attrs().Name; name != "lo" && name != "eth0" && name != "uplink" {
			_ = netlink.LinkDel(l) // gone with its peer
		}
	}
}

func TestAfterARebootPodsAreStoppedAndTheirNetworkIsFree(t *testing.T) {
	n := newNode(t)
	podID, id := n.sleeper("before")
	created := n.status(id).CreatedAt
	n.reboot()

	if got := n.podState(podID); got != runtime.PodSandboxState_SANDBOX_NOTREADY {
		t.Errorf("the pod is %v", got)
	}
	s := n.status(id)
	if s.State != runtime.ContainerState_CONTAINER_EXITED || s.FinishedAt < s.StartedAt || s.CreatedAt != created || s.ExitCode == 0 {
		t.Errorf("the container: %v", s)
	}
	if got := n.image(images.Busybox); got == nil {
		t.Error("the image is gone")
	}
	n.must(n.Remove(n.ctx, id))
	n.must(n.StopPod(n.ctx, podID))
	n.must(n.RemovePod(n.ctx, podID))
	pod := cri.Pod("after")
	n.run(n.runPod(pod), pod, cri.Container("main", images.Busybox, "sleep", "1000"))
}
