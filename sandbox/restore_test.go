// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/sandbox/record"
)

func TestFatesFollowFromTheRecords(t *testing.T) {
	here, other := "this-boot", "another-boot"
	for name, tt := range map[string]struct {
		boot string
		s    record.PodStatus
		want fate
	}{
		"half made":                           {here, record.PodStatus{}, fateRelease},
		"ready":                               {here, record.PodStatus{ReadyAt: 1}, fateLive},
		"ended, not stopped":                  {here, record.PodStatus{ReadyAt: 1, EndedAt: 2}, fateLive},
		"stopped":                             {here, record.PodStatus{ReadyAt: 1, EndedAt: 2, StoppedAt: 3}, fateOver},
		"being removed":                       {here, record.PodStatus{ReadyAt: 1, StoppedAt: 3, RemovingAt: 4}, fateRelease},
		"rebooted":                            {other, record.PodStatus{ReadyAt: 1}, fateRebooted},
		"rebooted, status lost":               {other, record.PodStatus{}, fateRebooted},
		"rebooted after its stop":             {other, record.PodStatus{ReadyAt: 1, StoppedAt: 3}, fateOver},
		"rebooted while it was being removed": {other, record.PodStatus{RemovingAt: 1}, fateRelease},
	} {
		if got := podFate(&record.Pod{BootID: tt.boot}, &tt.s, here); got != tt.want {
			t.Errorf("pod %s: %d, want %d", name, got, tt.want)
		}
	}
	for name, tt := range map[string]struct {
		boot string
		s    record.ContainerStatus
		want fate
	}{
		"half made":              {here, record.ContainerStatus{}, fateRelease},
		"created":                {here, record.ContainerStatus{ReadyAt: 1}, fateLive},
		"exited":                 {here, record.ContainerStatus{ReadyAt: 1, Exit: &record.Exit{}}, fateOver},
		"being removed":          {here, record.ContainerStatus{ReadyAt: 1, Exit: &record.Exit{}, RemovingAt: 1}, fateRelease},
		"rebooted":               {other, record.ContainerStatus{ReadyAt: 1, StartedAt: 2}, fateRebooted},
		"rebooted, status lost":  {other, record.ContainerStatus{}, fateRebooted},
		"exited in another boot": {other, record.ContainerStatus{ReadyAt: 1, Exit: &record.Exit{}}, fateOver},
	} {
		if got := containerFate(&record.Container{BootID: tt.boot}, &tt.s, here); got != tt.want {
			t.Errorf("container %s: %d, want %d", name, got, tt.want)
		}
	}
}

// store writes the objects of one manager for another one to read.
func store(t *testing.T, p *pod, cs ...*container) {
	t.Helper()
	write := func(dir string, encode func() ([]byte, error)) {
		data, err := encode()
		if err != nil {
			t.Fatal(err)
		}
		w, err := record.Write(dir, record.RecordFile, data)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	write(p.dir, p.rec.Encode)
	for _, c := range cs {
		write(c.dir, c.rec.Encode)
	}
}

func TestOneBrokenRecordBlocksNoOther(t *testing.T) {
	m := testManager(t)
	good := testPod(t, m, "a")
	store(t, good, testContainer(t, m, good, "1"))
	for id, content := range map[string]string{"b": `{"version":99,"kind":"pod"}`, "c": "{garbage", "d": `{"version":1,"kind":"pod","id":"other"}`} {
		dir := m.dirs.pod(testID(id))
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, record.RecordFile), []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	badContainer := m.dirs.container(good.rec.ID, testID("2"))
	if err := errors.Join(os.MkdirAll(badContainer, 0o700), os.WriteFile(filepath.Join(badContainer, record.RecordFile), []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	found, err := m.readRecords()
	if err != nil {
		t.Fatal(err)
	}
	if len(found.pods) != 1 || len(found.broken) != 3 || len(found.pods[0].containers) != 1 {
		t.Fatalf("%d pods, broken %v", len(found.pods), found.broken)
	}
	if f := found.pods[0]; f.pod.rec.ID != good.rec.ID || f.fate != fateLive || f.containers[0].fate != fateLive {
		t.Errorf("pod %s, fates %d, %d", f.pod.rec.ID, f.fate, f.containers[0].fate)
	}
	for _, id := range []string{"b", "c", "d"} {
		if _, err := os.Stat(filepath.Join(m.dirs.pod(testID(id)), record.RecordFile)); err != nil {
			t.Errorf("a record that cannot be read was touched: %v", err)
		}
	}
}

func TestDirectoryWithoutARecordIsRemoved(t *testing.T) {
	m := testManager(t)
	empty, none := m.dirs.pod(testID("a")), m.dirs.pod(testID("b"))
	if err := errors.Join(os.Mkdir(empty, 0o700), os.Mkdir(none, 0o700), os.WriteFile(filepath.Join(empty, record.RecordFile), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	found, err := m.readRecords()
	if err != nil || len(found.pods)+len(found.broken) != 0 {
		t.Fatalf("%+v, %v", found, err)
	}
	for _, dir := range []string{empty, none} {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestStatusThatAPowerCutHasCutIsNotBelieved(t *testing.T) {
	m := testManager(t)
	p := testPod(t, m, "a")
	c := testContainer(t, m, p, "1")
	store(t, p, c)
	for _, dir := range []string{p.dir, c.dir} {
		if err := os.WriteFile(filepath.Join(dir, record.StatusFile), []byte(`{"version":1,"kind":"po`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m.bootID = "the-next-boot"
	found, err := m.readRecords()
	if err != nil || len(found.pods) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	if f := found.pods[0]; f.fate != fateRebooted || f.containers[0].fate != fateRebooted {
		t.Errorf("fates %d, %d", f.fate, f.containers[0].fate)
	}
}

func TestAfterARebootExitsComeFromTheMonitorsRecord(t *testing.T) {
	m := testManager(t)
	c := testContainer(t, m, testPod(t, m, "a"), "1")
	if e := lastExit(c.dir, "the node was rebooted"); e.Code != 255 || e.Reason != "Unknown" || e.Message == "" {
		t.Errorf("without a record: %+v", e)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "exit"), []byte("1 137 9 1 1700000000000000000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if e := lastExit(c.dir, ""); e.Code != 137 || e.Reason != "OOMKilled" || e.FinishedAt != 1700000000000000000 {
		t.Errorf("with a record: %+v", e)
	}
}

func TestIdentityIsFreeOnceARemovalHasBegun(t *testing.T) {
	m := testManager(t)
	p := testPod(t, m, "a")
	m.index.freePodName(p)
	if m.index.podByIdentity(podIdentity(p.rec.Config.GetMetadata())) != nil {
		t.Error("the identity is taken")
	}
	if found, err := m.index.pod(p.rec.ID); found != p || err != nil {
		t.Errorf("the pod itself: %v, %v", found, err)
	}
	next := testPod(t, m, "a") // the same identity, and in this test the same ID
	m.index.freePodName(p)
	if m.index.podByIdentity(podIdentity(next.rec.Config.GetMetadata())) != next {
		t.Error("the old pod took the new one's identity")
	}
}

func TestStateIsDerivedFromFacts(t *testing.T) {
	for _, tt := range []struct {
		s    record.ContainerStatus
		want runtime.ContainerState
	}{
		{record.ContainerStatus{}, runtime.ContainerState_CONTAINER_UNKNOWN},
		{record.ContainerStatus{ReadyAt: 1}, runtime.ContainerState_CONTAINER_CREATED},
		{record.ContainerStatus{ReadyAt: 1, StartedAt: 2}, runtime.ContainerState_CONTAINER_RUNNING},
		{record.ContainerStatus{ReadyAt: 1, StartedAt: 2, Exit: &record.Exit{}}, runtime.ContainerState_CONTAINER_EXITED},
	} {
		if got := containerState(&tt.s); got != tt.want {
			t.Errorf("%+v: %v, want %v", tt.s, got, tt.want)
		}
	}
}
