// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
	"crisp/test/images"
)

func TestPodsLiveOnWhileTheDaemonIsDown(t *testing.T) {
	n := newNode(t)
	counting, log := n.loggedContainer("counting", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done")
	ending, _ := n.loggedContainer("ending", "until [ -e /tmp/end ]; do sleep 0.01; done; exit 9")
	running := n.status(counting)
	before, err := n.Pod(n.ctx, n.podOf(counting))
	n.must(err)
	endingPid := n.pid(ending)

	n.crash()
	lines := len(readLog(t, log))
	n.eventually("the log grows without a daemon", func() bool { return len(readLog(t, log)) > lines+5 })
	touchInContainer(t, endingPid, "tmp/end")
	n.eventually("the container ends without a daemon", func() bool { return !alive(endingPid) })
	n.restart()

	if s := n.status(ending); s.State != runtime.ContainerState_CONTAINER_EXITED || s.ExitCode != 9 {
		t.Errorf("what ended meanwhile: %v, exit code %d, want 9", s.State, s.ExitCode)
	}
	if s := n.status(counting); s.State != runtime.ContainerState_CONTAINER_RUNNING || s.StartedAt != running.StartedAt {
		t.Errorf("what ran on: %v", s)
	}
	after, err := n.Pod(n.ctx, n.podOf(counting))
	n.must(err)
	if before.Network.Ip == "" || after.Network.Ip != before.Network.Ip || after.CreatedAt != before.CreatedAt {
		t.Errorf("pod before %v, after %v", before, after)
	}
	if got := n.exec(counting, "echo", "hello"); got != "hello\n" {
		t.Errorf("exec after the restart: %q", got)
	}
	n.must(n.Stop(n.ctx, counting, 0))
	wantCounting(t, readLog(t, log))
}

// podOf is the pod of a container.
func (n *node) podOf(ctrID string) string {
	n.t.Helper()
	resp, err := n.ListContainers(n.ctx, &runtime.ListContainersRequest{Filter: &runtime.ContainerFilter{Id: ctrID}})
	n.must(err)
	if len(resp.Containers) != 1 {
		n.t.Fatalf("%d containers with ID %s", len(resp.Containers), ctrID)
	}
	return resp.Containers[0].PodSandboxId
}

func TestCreatedContainerStartsAfterARestart(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("created")
	id, err := n.Create(n.ctx, n.runPod(pod), pod, cri.Container("main", images.Busybox, "sh", "-c", "exit 4"))
	n.must(err)
	n.crash()
	n.restart()
	n.must(n.Start(n.ctx, id))
	if s := n.exited(id); s.ExitCode != 4 {
		t.Errorf("exit code %d", s.ExitCode)
	}
}

// TestKillAtAnyMomentLosesAndLeaksNothing kills the daemon at growing delays while a pod is made and removed. After the
// restart the same calls succeed, and in the end nothing is left (newNode looks).
func TestKillAtAnyMomentLosesAndLeaksNothing(t *testing.T) {
	n := newNode(t)
	for delay := time.Duration(0); delay < 60*time.Millisecond; delay += 3 * time.Millisecond {
		pod := cri.Pod("killed")
		done := make(chan struct{})
		go func() { defer close(done); _ = n.cycle(pod) }() // the kill makes it fail, anywhere
		time.Sleep(delay)                                   // the moment of the kill is what is tested
		n.crash()
		<-done
		n.restart()
		if err := n.cycle(pod); err != nil {
			t.Fatalf("after a kill at %v: %v", delay, err)
		}
	}
}

// cycle makes a pod with a container and removes it, from wherever an earlier try was cut off.
func (n *node) cycle(pod *runtime.PodSandboxConfig) error {
	podID, err := n.RunPod(n.ctx, pod)
	if err != nil {
		return err
	}
	id, err := n.Create(n.ctx, podID, pod, cri.Container("main", images.Busybox, "sleep", "1000"))
	if err != nil {
		return err
	}
	if err := n.Start(n.ctx, id); err != nil {
		// A second start of a container that runs is an error, and rightly so.
		s, statusErr := n.Container(n.ctx, id)
		if statusErr != nil || s.State != runtime.ContainerState_CONTAINER_RUNNING {
			return err
		}
	}
	return n.RemovePod(n.ctx, podID)
}

func TestRemovedObjectsStayRemovedAfterARestart(t *testing.T) {
	n := newNode(t)
	podID, id := n.sleeper("gone")
	n.must(n.RemovePod(n.ctx, podID))
	n.crash()
	n.restart()
	_, err := n.Pod(n.ctx, podID)
	n.wantCode(err, codes.NotFound)
	_, err = n.Container(n.ctx, id)
	n.wantCode(err, codes.NotFound)
}

func TestGracefulStopLeavesPodsRunning(t *testing.T) {
	n := newNode(t)
	_, id := n.sleeper("kept")
	n.must(n.daemon.Stop())
	n.restart()
	if s := n.status(id); s.State != runtime.ContainerState_CONTAINER_RUNNING {
		t.Errorf("it is %v", s.State)
	}
}
