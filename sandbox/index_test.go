// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/sandbox/measure"
	"crisp/sandbox/record"
)

// testManager has no other rooms: for what only looks at memory and records.
func testManager(t testing.TB) *Manager {
	t.Helper()
	m := &Manager{index: newIndex(), events: newBroadcaster(), rates: measure.NewRates(), disk: measure.NewDisk("/"), log: slog.New(slog.DiscardHandler), bootID: "this-boot"}
	m.dirs = layout{t.TempDir(), t.TempDir()}
	m.ctx, m.cancel = t.Context(), func() {}
	if err := makeDirs(m.dirs.pods(), m.dirs.podsRun()); err != nil {
		t.Fatal(err)
	}
	return m
}

func testID(prefix string) string { return prefix + strings.Repeat("0", 64-len(prefix)) }

func testPod(t testing.TB, m *Manager, id string) *pod {
	t.Helper()
	rec := &record.Pod{ID: testID(id), BootID: m.bootID, CreatedAt: 1, Cgroup: "/crisp/crisp-" + testID(id), Config: &runtime.PodSandboxConfig{
		Metadata: &runtime.PodSandboxMetadata{Name: id, Uid: "uid-" + id, Namespace: "ns"},
		Labels:   map[string]string{"app": id}, LogDirectory: "/var/log/pods/x",
	}}
	p := newPod(rec, m.dirs.pod(rec.ID), m.log)
	if err := makeDirs(p.dir); err != nil {
		t.Fatal(err)
	}
	p.update(func(s *record.PodStatus) bool { s.ReadyAt = 1; return true })
	m.index.addPod(p)
	return p
}

func testContainer(t testing.TB, m *Manager, p *pod, id string) *container {
	t.Helper()
	rec := &record.Container{ID: testID(id), PodID: p.rec.ID, BootID: m.bootID, CreatedAt: 2, ImageID: "sha256:i", ImageRef: "r@sha256:d", Config: &runtime.ContainerConfig{
		Metadata: &runtime.ContainerMetadata{Name: id}, Image: &runtime.ImageSpec{Image: "sha256:i", UserSpecifiedImage: "web:1"},
		Labels: map[string]string{"tier": id}, LogPath: "web/0.log",
	}}
	c := newContainer(rec, p, m.dirs.container(p.rec.ID, rec.ID))
	if err := makeDirs(c.dir); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.update(func(s *record.ContainerStatus) { s.ReadyAt, s.StopSignal = 2, 15 })
	c.mu.Unlock()
	m.index.addContainer(c)
	return c
}

func TestIDPrefixFindsTheOneThatHasIt(t *testing.T) {
	m := testManager(t)
	a := testPod(t, m, "ab1")
	testPod(t, m, "ab2")
	for id, want := range map[string]*pod{testID("ab1"): a, "ab1": a} {
		if p, err := m.index.pod(id); p != want || err != nil {
			t.Errorf("%q: %v, %v", id, p, err)
		}
	}
	for _, id := range []string{"ab", "c", testID("ab1") + "0"} {
		if _, err := m.index.pod(id); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := m.index.pod(""); !errors.Is(err, ErrInvalid) {
		t.Errorf("an empty ID: %v", err)
	}
}

func TestFiltersAreANDed(t *testing.T) {
	m := testManager(t)
	a, b := testPod(t, m, "a"), testPod(t, m, "b")
	testContainer(t, m, a, "1")
	testContainer(t, m, b, "2")
	b.ended("test")
	ready := &runtime.PodSandboxStateValue{State: runtime.PodSandboxState_SANDBOX_READY}
	for name, tt := range map[string]struct {
		f    *runtime.PodSandboxFilter
		want int
	}{
		"nil": {nil, 2}, "empty": {&runtime.PodSandboxFilter{}, 2}, "prefix": {&runtime.PodSandboxFilter{Id: "a"}, 1},
		"unknown": {&runtime.PodSandboxFilter{Id: "c"}, 0}, "state": {&runtime.PodSandboxFilter{State: ready}, 1},
		"label":           {&runtime.PodSandboxFilter{LabelSelector: map[string]string{"app": "b"}}, 1},
		"label and state": {&runtime.PodSandboxFilter{LabelSelector: map[string]string{"app": "b"}, State: ready}, 0},
		"missing label":   {&runtime.PodSandboxFilter{LabelSelector: map[string]string{"none": ""}}, 0},
	} {
		if got := m.Pods(tt.f); len(got) != tt.want {
			t.Errorf("pods, %s: %d, want %d", name, len(got), tt.want)
		}
	}
	created := &runtime.ContainerStateValue{State: runtime.ContainerState_CONTAINER_CREATED}
	for name, tt := range map[string]struct {
		f    *runtime.ContainerFilter
		want int
	}{
		"nil": {nil, 2}, "pod": {&runtime.ContainerFilter{PodSandboxId: a.rec.ID}, 1}, "pod prefix": {&runtime.ContainerFilter{PodSandboxId: "b"}, 1},
		"pod and other ID": {&runtime.ContainerFilter{PodSandboxId: "a", Id: "2"}, 0}, "state": {&runtime.ContainerFilter{State: created}, 2},
		"label": {&runtime.ContainerFilter{LabelSelector: map[string]string{"tier": "1"}}, 1},
	} {
		if got := m.Containers(tt.f); len(got) != tt.want {
			t.Errorf("containers, %s: %d, want %d", name, len(got), tt.want)
		}
	}
}

func BenchmarkListContainers(b *testing.B) {
	m := testManager(b)
	p := testPod(b, m, "a")
	for i := range 1500 {
		testContainer(b, m, p, fmt.Sprintf("%04x", i))
	}
	for b.Loop() {
		if n := len(m.Containers(nil)); n != 1500 {
			b.Fatal(n)
		}
	}
}
