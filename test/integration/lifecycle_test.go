// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
	"crisp/test/images"
)

func TestPodWithTwoContainersSharesItsNetwork(t *testing.T) {
	n := newNode(t)
	n.pull(images.Nginx)
	pod := cri.Pod("web")
	podID := n.runPod(pod)
	n.run(podID, pod, cri.Container("server", images.Nginx))
	client := n.run(podID, pod, cri.Container("client", images.Busybox, "sleep", "1000"))

	n.eventually("the server answers inside the pod", func() bool {
		resp, err := n.ExecSynchronously(n.ctx, client, "wget", "-q", "-O", "-", "http://127.0.0.1/")
		n.must(err)
		return resp.ExitCode == 0
	})
	ctrs, err := n.ListContainers(n.ctx, &runtime.ListContainersRequest{Filter: &runtime.ContainerFilter{PodSandboxId: podID}})
	n.must(err)
	if len(ctrs.Containers) != 2 {
		t.Errorf("%d containers", len(ctrs.Containers))
	}
}

func TestContainerGoesThroughItsStates(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("states")
	podID := n.runPod(pod)
	if got := n.podState(podID); got != runtime.PodSandboxState_SANDBOX_READY {
		t.Errorf("a new pod is %v", got)
	}
	id, err := n.Create(n.ctx, podID, pod, cri.Container("main", images.Busybox, "sh", "-c", "exit 7"))
	n.must(err)
	if s := n.status(id); s.State != runtime.ContainerState_CONTAINER_CREATED || s.CreatedAt == 0 || s.StartedAt != 0 {
		t.Errorf("a new container: %v", s)
	}
	n.must(n.Start(n.ctx, id))
	s := n.exited(id)
	if s.ExitCode != 7 || s.Reason != "Error" || s.StartedAt < s.CreatedAt || s.FinishedAt < s.StartedAt {
		t.Errorf("an exited container: %v", s)
	}
	n.must(n.Remove(n.ctx, id))
	_, err = n.Container(n.ctx, id)
	n.wantCode(err, codes.NotFound)

	n.must(n.StopPod(n.ctx, podID))
	if got := n.podState(podID); got != runtime.PodSandboxState_SANDBOX_NOTREADY {
		t.Errorf("a stopped pod is %v", got)
	}
	n.must(n.RemovePod(n.ctx, podID))
	_, err = n.Pod(n.ctx, podID)
	n.wantCode(err, codes.NotFound)
}

func TestCommandThatIsAbsentIsNamedInTheError(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("absent")
	podID := n.runPod(pod)
	id, err := n.Create(n.ctx, podID, pod, cri.Container("main", images.Busybox, "/no/such/program"))
	n.must(err)
	err = n.Start(n.ctx, id)
	if err == nil {
		t.Fatal("it started")
	}
	wantText(t, err.Error(), "/no/such/program")
	wantText(t, err.Error(), "no such file")
	if s := n.status(id); s.State != runtime.ContainerState_CONTAINER_EXITED || s.ExitCode != 128 {
		t.Errorf("state %v, exit code %d", s.State, s.ExitCode)
	}
}

func TestStopLetsTheContainerFinish(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("graceful")
	podID := n.runPod(pod)
	id := n.run(podID, pod, cri.Container("main", images.Busybox, "sh", "-c", "trap 'exit 3' TERM; touch /ready; while :; do sleep 0.02; done"))
	n.eventually("the trap is set", func() bool { return n.exists(id, "/ready") })
	start := time.Now()
	n.must(n.Stop(n.ctx, id, 30))
	if s := n.status(id); s.State != runtime.ContainerState_CONTAINER_EXITED || s.ExitCode != 3 {
		t.Errorf("state %v, exit code %d, want 3", s.State, s.ExitCode)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// stubborn is a container that ignores SIGTERM.
func (n *node) stubborn(name string) string {
	n.t.Helper()
	pod := cri.Pod(name)
	id := n.run(n.runPod(pod), pod, cri.Container("main", images.Busybox, "sh", "-c", "trap '' TERM; touch /ready; while :; do sleep 0.02; done"))
	n.eventually("the trap is set", func() bool { return n.exists(id, "/ready") })
	return id
}

func (n *node) exists(id, path string) bool {
	n.t.Helper()
	resp, err := n.ExecSynchronously(n.ctx, id, "test", "-e", path)
	n.must(err)
	return resp.ExitCode == 0
}

func TestStopKillsAfterTheGracePeriod(t *testing.T) {
	n := newNode(t)
	id := n.stubborn("stubborn")
	start := time.Now()
	n.must(n.Stop(n.ctx, id, 1))
	if took := time.Since(start); took < 900*time.Millisecond || took > 5*time.Second {
		t.Errorf("it took %v, not about 1 s", took)
	}
	if s := n.status(id); s.ExitCode != 137 {
		t.Errorf("exit code %d, want 137", s.ExitCode)
	}
}

func TestStopShortensEarlierTimeout(t *testing.T) {
	n := newNode(t)
	id := n.stubborn("patient")
	first := make(chan error, 1)
	go func() { first <- n.Stop(n.ctx, id, 600) }()
	n.eventually("a second stop with no grace ends it", func() bool {
		ctx, cancel := context.WithTimeout(n.ctx, 5*time.Second)
		defer cancel()
		return n.Stop(ctx, id, 0) == nil
	})
	select {
	case err := <-first:
		n.check(err)
	case <-time.After(5 * time.Second):
		t.Error("the first stop still waits")
	}
}

func TestStopAndRemoveMayBeRepeated(t *testing.T) {
	n := newNode(t)
	podID, id := n.sleeper("repeated")
	for range 2 {
		n.check(n.Stop(n.ctx, id, 0))
	}
	for range 2 {
		n.check(n.Remove(n.ctx, id))
	}
	for range 2 {
		n.check(n.StopPod(n.ctx, podID))
	}
	for range 2 {
		n.check(n.RemovePod(n.ctx, podID))
	}
	n.check(n.Stop(n.ctx, id, 0))
	n.check(n.StopPod(n.ctx, podID))
}

func TestRemovePodTakesRunningContainersAlong(t *testing.T) {
	n := newNode(t)
	podID, id := n.sleeper("forced")
	n.must(n.RemovePod(n.ctx, podID))
	_, err := n.Container(n.ctx, id)
	n.wantCode(err, codes.NotFound)
}

// impatiently repeats a call with growing deadlines until it succeeds, as a kubelet whose calls time out does.
func (n *node) impatiently(call func(context.Context) (string, error)) string {
	n.t.Helper()
	for patience := time.Millisecond; ; patience += time.Millisecond {
		ctx, cancel := context.WithTimeout(n.ctx, patience)
		id, err := call(ctx)
		cancel()
		if err == nil {
			return id
		}
		n.must(n.ctx.Err())
		if code := statusCode(err); code != codes.DeadlineExceeded {
			n.t.Fatalf("with %v: %v", patience, err)
		}
	}
}

func TestRetriedCallsJoinTheRunningJob(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("joined")
	podID := n.impatiently(func(ctx context.Context) (string, error) { return n.RunPod(ctx, pod) })
	ctr := cri.Container("main", images.Busybox, "sleep", "1000")
	id := n.impatiently(func(ctx context.Context) (string, error) { return n.Create(ctx, podID, pod, ctr) })
	n.must(n.Start(n.ctx, id))

	pods, err := n.ListPodSandbox(n.ctx, &runtime.ListPodSandboxRequest{})
	n.must(err)
	ctrs, err := n.ListContainers(n.ctx, &runtime.ListContainersRequest{})
	n.must(err)
	if len(pods.Items) != 1 || len(ctrs.Containers) != 1 {
		t.Errorf("%d pods and %d containers, want one each", len(pods.Items), len(ctrs.Containers))
	}
	again, err := n.RunPod(n.ctx, pod)
	n.must(err)
	if again != podID {
		t.Errorf("the same pod again is %s, not %s", again, podID)
	}
}

func TestManyPodsAtOnce(t *testing.T) {
	n := newNode(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			pod := cri.Pod("many-" + itoa(i))
			podID, err := n.RunPod(n.ctx, pod)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := n.Run(n.ctx, podID, pod, cri.Container("main", images.Busybox, "sleep", "1000")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	pods, err := n.ListPodSandbox(n.ctx, &runtime.ListPodSandboxRequest{})
	n.must(err)
	for _, p := range pods.Items {
		s, err := n.Pod(n.ctx, p.Id)
		n.must(err)
		if ip := s.Network.Ip; ip == "" || seen[ip] {
			t.Errorf("pod %s has IP %q", p.Metadata.Name, ip)
		}
		seen[s.Network.Ip] = true
	}
	if len(pods.Items) != 16 {
		t.Errorf("%d pods", len(pods.Items))
	}
}
