// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/sandbox/record"
)

const (
	running = runtime.ContainerState_CONTAINER_RUNNING
	exited  = runtime.ContainerState_CONTAINER_EXITED
)

func TestDeadMonitorTakesItsContainersAlong(t *testing.T) {
	n := newTestNode(t)
	p, c := n.run("monitor")
	events := n.Subscribe(t.Context())
	n.kill(p.status().MonitorPid, unix.SIGKILL)
	n.exited(c)
	if s := c.status(); s.Exit.Code != codeUnknown || s.Exit.Reason != reasonUnknown || s.Exit.Message == "" || p.ready() {
		t.Errorf("exit %+v, pod %v", s.Exit, p.state())
	}
	for _, id := range []string{p.rec.ID, c.rec.ID} {
		if e := <-events; e.ContainerId != id || e.ContainerEventType != eventStopped {
			t.Errorf("event %v of %s, want STOPPED of %s", e.ContainerEventType, e.ContainerId, id)
		}
	}
}

func TestDeadPauseLeavesTheContainersRunning(t *testing.T) {
	n := newTestNode(t)
	p, c := n.run("pause")
	events := n.Subscribe(t.Context())
	n.kill(p.status().PausePid, unix.SIGKILL)
	<-events
	if p.ready() || c.state() != running {
		t.Errorf("pod %v, container %v", p.state(), c.state())
	}
	if _, err := n.CreateContainer(t.Context(), &runtime.CreateContainerRequest{PodSandboxId: p.rec.ID, Config: &runtime.ContainerConfig{
		Metadata: &runtime.ContainerMetadata{Name: "next"}, Image: &runtime.ImageSpec{Image: n.image},
	}}); !errors.Is(err, ErrState) {
		t.Errorf("a container in a pod without pause: %v", err)
	}
}

// TestMonitorThatDoesNotAnswerHoldsUpNothing has a stopped monitor from before a restart to the pod's end.
func TestMonitorThatDoesNotAnswerHoldsUpNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the deadlines of a monitor")
	}
	n := newTestNode(t)
	stuck, c := n.run("stuck")
	other, otherC := n.run("other")
	monitor, err := unix.PidfdOpen(stuck.status().MonitorPid, 0)
	n.must(err)
	defer unix.Close(monitor)
	start := time.Now()
	n.restart(func() { n.kill(stuck.status().MonitorPid, unix.SIGSTOP) })
	if took := time.Since(start); took > restoreWait+2*time.Second {
		t.Errorf("the restart took %s", took)
	}
	other, otherC = n.find(other.rec.ID, otherC.rec.ID)
	stuck, c = n.find(stuck.rec.ID, c.rec.ID)
	if !other.ready() || otherC.live.Load() == nil || !stuck.ready() || c.state() != running {
		t.Errorf("other %v, stuck %v, container %v", other.state(), stuck.state(), c.state())
	}
	if _, _, _, err := n.ExecSync(t.Context(), c.rec.ID, []string{"/pause"}, time.Second); !errors.Is(err, ErrState) {
		t.Errorf("exec: %v", err)
	}
	n.must(n.StopPod(t.Context(), stuck.rec.ID))
	if stuck.ready() || c.state() != exited {
		t.Errorf("after its stop: pod %v, container %v", stuck.state(), c.state())
	}
	if gone, err := unix.Poll([]unix.PollFd{{Fd: int32(monitor), Events: unix.POLLIN}}, 5000); gone != 1 || err != nil {
		t.Errorf("the monitor is left behind: %v", err)
	}
}

func TestRestartFindsEverythingAsItWas(t *testing.T) {
	n := newTestNode(t)
	p, c := n.run("running")
	q, created := n.create("created")
	n.restart(func() {})
	p, c = n.find(p.rec.ID, c.rec.ID)
	q, created = n.find(q.rec.ID, created.rec.ID)
	if !p.ready() || !q.ready() || c.state() != running || created.state() != runtime.ContainerState_CONTAINER_CREATED {
		t.Errorf("pods %v, %v, containers %v, %v", p.state(), q.state(), c.state(), created.state())
	}
	n.must(n.StartContainer(t.Context(), created.rec.ID))
	n.must(n.StopContainer(t.Context(), c.rec.ID, 0))
	if s := c.status(); s.Exit.Code != codeKilled || s.Exit.Reason != reasonError {
		t.Errorf("exit %+v", s.Exit)
	}
}

func TestExitWhileTheDaemonIsDownIsKnownAfterwards(t *testing.T) {
	n := newTestNode(t)
	p, c := n.run("down")
	n.restart(func() { n.kill(c.status().Pid, unix.SIGKILL) })
	_, c = n.find(p.rec.ID, c.rec.ID)
	n.exited(c)
	if s := c.status(); s.Exit.Code != codeKilled || s.Exit.Reason != reasonError || s.Exit.FinishedAt < s.StartedAt {
		t.Errorf("exit %+v", s.Exit)
	}
}

func TestMonitorThatDiedWhileTheDaemonWasDown(t *testing.T) {
	n := newTestNode(t)
	p, c := n.run("orphan")
	n.restart(func() { n.kill(p.status().MonitorPid, unix.SIGKILL) })
	p, c = n.find(p.rec.ID, c.rec.ID)
	n.exited(c)
	if p.ready() || c.status().Exit.Code != codeUnknown {
		t.Errorf("pod %v, exit %+v", p.state(), c.status().Exit)
	}
}

func TestAfterARebootPodsAreNotReadyAndStay(t *testing.T) {
	n := newTestNode(t)
	p, c := n.run("rebooted")
	// What a reboot leaves: the records, and none of the processes.
	n.kill(p.status().MonitorPid, unix.SIGKILL)
	n.exited(c)
	n.must(os.Remove(filepath.Join(c.dir, record.StatusFile)))
	n.must(os.Remove(filepath.Join(p.dir, record.StatusFile)))
	n.must(n.Close())
	m, err := newManager(t.Context(), n.cfg)
	n.must(err)
	m.bootID = "the-next-boot"
	n.must(m.restore(t.Context()))
	n.Manager = m
	p, c = n.find(p.rec.ID, c.rec.ID)
	if p.ready() || p.status().EndedAt == 0 || c.state() != exited || c.status().Exit.Code != codeUnknown {
		t.Errorf("pod %+v, container %+v", p.status(), c.status())
	}
	if len(n.Pods(nil)) != 1 || len(n.Containers(nil)) != 1 {
		t.Error("something was wiped")
	}
}

func TestBrokenOffCreationsAreReleased(t *testing.T) {
	n := newTestNode(t)
	p, c := n.run("half")
	n.restart(func() { // both were made, and the daemon was killed before it wrote so
		n.must(os.Remove(filepath.Join(c.dir, record.StatusFile)))
		n.must(os.Remove(filepath.Join(p.dir, record.StatusFile)))
	})
	if pods, ctrs := n.Pods(nil), n.Containers(nil); len(pods)+len(ctrs) != 0 {
		t.Errorf("pods %v, containers %v", pods, ctrs)
	}
	if err := unix.Kill(c.status().Pid, 0); err == nil {
		if stat, _ := os.ReadFile(procNS(c.status().Pid, "pid")); stat != nil {
			t.Error("its process lives")
		}
	}
	again, _ := n.run("half")
	if again.rec.ID == p.rec.ID {
		t.Error("the ID came back")
	}
}

func TestPodThatCannotBeMadeLeavesNothingAndCanBeTriedAgain(t *testing.T) {
	n := newTestNode(t)
	bad := n.podConfig("retried")
	bad.Linux.Sysctls = map[string]string{"kernel.panic": "1"}
	if _, err := n.RunPod(t.Context(), bad, ""); !errors.Is(err, ErrInvalid) {
		t.Errorf("err = %v", err)
	}
	for _, dir := range []string{n.dirs.pods(), n.dirs.podsRun()} {
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("left in %s: %v", dir, left)
		}
	}
	n.run("retried")
}

func TestStopOfAPodDoesNotWaitForAStuckCreation(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a deadline")
	}
	n := newTestNode(t)
	p, _ := n.run("stuck")
	if !p.gate.enter() {
		t.Fatal("the gate is shut")
	}
	start := time.Now()
	n.must(n.StopPod(t.Context(), p.rec.ID))
	if took := time.Since(start); took > gateWait+5*time.Second {
		t.Errorf("it took %s", took)
	}
	p.gate.leave()
}
