// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"testing"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/conmon"
	"crisp/sandbox/record"
)

func TestExitReasonsAreTheOnesTheKubeletKnows(t *testing.T) {
	at := time.Unix(9, 0)
	for name, tt := range map[string]struct {
		in   conmon.Exit
		code int32
		want string
	}{
		"success":             {conmon.Exit{Time: at}, 0, "Completed"},
		"failure":             {conmon.Exit{Code: 3, Time: at}, 3, "Error"},
		"killed":              {conmon.Exit{Code: 137, Signal: 9, Time: at}, 137, "Error"},
		"OOM":                 {conmon.Exit{Code: 137, Signal: 9, OOMKills: 1, Time: at}, 137, "OOMKilled"},
		"OOM of a child only": {conmon.Exit{Code: 1, OOMKills: 1, Time: at}, 1, "Error"},
	} {
		if got := exitOf(tt.in); got.Code != tt.code || got.Reason != tt.want || got.FinishedAt != at.UnixNano() {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestExitThatComesBeforeTheAnswerToStartIsToldAfterIt(t *testing.T) {
	m := testManager(t)
	c := testContainer(t, m, testPod(t, m, "a"), "1")
	events := m.Subscribe(t.Context())
	c.beginStart()
	m.noteExit(c, record.Exit{Code: 7, FinishedAt: time.Now().UnixNano(), Reason: reasonError})
	if s := c.state(); s != runtime.ContainerState_CONTAINER_CREATED {
		t.Errorf("before the answer: %v", s)
	}
	m.endStart(c, time.Now().UnixNano(), nil)
	if s := c.status(); c.state() != runtime.ContainerState_CONTAINER_EXITED || s.Exit.Code != 7 || s.StartedAt == 0 {
		t.Errorf("after the answer: %+v", s)
	}
	for _, want := range []runtime.ContainerEventType{eventStarted, eventStopped} {
		if e := <-events; e.ContainerEventType != want || e.PodSandboxStatus.GetMetadata() == nil || len(e.ContainersStatuses) != 1 {
			t.Errorf("event %v, want %v", e, want)
		}
	}
}

func TestFailedStartIsAnExitWithItsReason(t *testing.T) {
	m := testManager(t)
	c := testContainer(t, m, testPod(t, m, "a"), "1")
	c.beginStart()
	m.noteExit(c, record.Exit{Code: 128, FinishedAt: time.Now().UnixNano(), Reason: reasonError})
	m.endStart(c, time.Now().UnixNano(), errors.New("exec /nope: no such file or directory"))
	r, err := m.ContainerStatus(c.rec.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	s := r.Status
	if s.State != runtime.ContainerState_CONTAINER_EXITED || s.ExitCode != 128 || s.Reason != "StartError" || s.Message == "" || s.StartedAt != 0 || s.FinishedAt == 0 {
		t.Errorf("status %+v", s)
	}
}

func TestExitIsNeverBeforeTheStart(t *testing.T) {
	m := testManager(t)
	c := testContainer(t, m, testPod(t, m, "a"), "1")
	c.beginStart()
	m.endStart(c, 1000, nil)
	m.noteExit(c, record.Exit{FinishedAt: 10}) // the clock was set back
	if s := c.status(); s.Exit.FinishedAt != 1000 {
		t.Errorf("finished at %d", s.Exit.FinishedAt)
	}
}

func TestOnlyTheFirstExitCounts(t *testing.T) {
	m := testManager(t)
	c := testContainer(t, m, testPod(t, m, "a"), "1")
	m.noteExit(c, record.Exit{Code: 1, FinishedAt: 5, Reason: reasonError})
	m.noteExit(c, lostExit("later"))
	if s := c.status(); s.Exit.Code != 1 {
		t.Errorf("exit %+v", s.Exit)
	}
}

func TestExitOfAContainerThatIsStillBeingCreatedIsKept(t *testing.T) {
	m := testManager(t)
	p := testPod(t, m, "a")
	m.onExit(p, conmon.EventExit{ID: testID("1"), Exit: conmon.Exit{Code: 137, Time: time.Now()}})
	c := testContainer(t, m, p, "1")
	if e, dead := p.adopt(m.index, c); !dead || e.Code != 137 {
		t.Errorf("exit %+v, %t", e, dead)
	}
	if _, dead := p.adopt(m.index, c); dead {
		t.Error("the exit was kept twice")
	}
}

func TestStatusHasWhatTheKubeletNeeds(t *testing.T) {
	m := testManager(t)
	c := testContainer(t, m, testPod(t, m, "a"), "1")
	r, err := m.ContainerStatus("1", true)
	if err != nil {
		t.Fatal(err)
	}
	s := r.Status
	if s.Id != c.rec.ID || s.Metadata.GetName() != "1" || s.CreatedAt == 0 || s.Image.GetImage() == "" || s.Image.GetUserSpecifiedImage() != "web:1" ||
		s.ImageRef != "r@sha256:d" || s.ImageId != "sha256:i" || s.LogPath != "/var/log/pods/x/web/0.log" ||
		s.StopSignal != runtime.Signal_SIGNAL_SIGTERM || s.User.GetLinux() == nil || r.Info["info"] == "" {
		t.Errorf("status %+v, info %v", s, r.Info)
	}
}

func TestDeathOfPauseMakesThePodNotReady(t *testing.T) {
	m := testManager(t)
	p := testPod(t, m, "a")
	events := m.Subscribe(t.Context())
	m.onExit(p, conmon.EventExit{ID: p.rec.ID})
	r, err := m.PodStatus("a", true)
	if err != nil || r.Status.State != runtime.PodSandboxState_SANDBOX_NOTREADY || r.Timestamp == 0 || r.Info["info"] == "" {
		t.Errorf("%+v, %v", r, err)
	}
	if e := <-events; e.ContainerEventType != eventStopped || e.ContainerId != p.rec.ID {
		t.Errorf("event %+v", e)
	}
}

func TestSlowSubscriberIsCutOffAndNotShortChanged(t *testing.T) {
	m := testManager(t)
	p := testPod(t, m, "a")
	events := m.Subscribe(t.Context())
	for range eventBuffer + 1 {
		m.tell(p, p.rec.ID, eventCreated)
	}
	n := 0
	for range events {
		n++
	}
	if n != eventBuffer {
		t.Errorf("%d events before the end", n)
	}
}
