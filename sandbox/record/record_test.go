// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func examplePod() *Pod {
	return &Pod{ID: "p1", BootID: "b", CreatedAt: 42, Cgroup: "/crisp/crisp-p1", Config: &runtime.PodSandboxConfig{
		Metadata: &runtime.PodSandboxMetadata{Name: "n", Uid: "u", Namespace: "ns", Attempt: 3},
		Labels:   map[string]string{"a": "b"},
		Linux:    &runtime.LinuxPodSandboxConfig{SecurityContext: &runtime.LinuxSandboxSecurityContext{NamespaceOptions: &runtime.NamespaceOption{Pid: runtime.NamespaceMode_CONTAINER}}},
	}}
}

func exampleContainer() *Container {
	return &Container{ID: "c1", PodID: "p1", BootID: "b", CreatedAt: 42, ImageID: "sha256:x", ImageRef: "r@sha256:y", Config: &runtime.ContainerConfig{
		Metadata: &runtime.ContainerMetadata{Name: "c", Attempt: 1},
		Envs:     []*runtime.KeyValue{{Key: "K", Value: []byte("not \xff UTF-8")}},
	}}
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	pod := examplePod()
	data, err := pod.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodePod(data)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(pod.Config, back.Config) {
		t.Errorf("config = %v", back.Config)
	}
	back.Config = pod.Config
	if !reflect.DeepEqual(pod, back) {
		t.Errorf("pod = %+v", back)
	}

	c := exampleContainer()
	if data, err = c.Encode(); err != nil {
		t.Fatal(err)
	}
	cback, err := DecodeContainer(data)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(c.Config, cback.Config) {
		t.Errorf("an environment value that is not UTF-8 changed: %q", cback.Config.Envs[0].Value)
	}
}

func TestStatusesComeBackAsTheyWere(t *testing.T) {
	ps := &PodStatus{BootID: "b", NetNS: "/run/x", IPs: []netip.Addr{netip.MustParseAddr("10.88.0.2"), netip.MustParseAddr("fd00::2")}, ReadyAt: 3, EndReason: "e"}
	data, err := ps.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := DecodePodStatus(data); err != nil || !reflect.DeepEqual(ps, back) {
		t.Errorf("%+v, %v", back, err)
	}
	cs := &ContainerStatus{BootID: "b", Pid: 7, ReadyAt: 1, StartedAt: 2, UID: 3, GID: 4, Groups: []uint32{4, 5}, StopSignal: 15,
		Exit: &Exit{Code: 137, FinishedAt: 9, Reason: "OOMKilled"}}
	if data, err = cs.Encode(); err != nil {
		t.Fatal(err)
	}
	if back, err := DecodeContainerStatus(data); err != nil || !reflect.DeepEqual(cs, back) {
		t.Errorf("%+v, %v", back, err)
	}
	cs.Resources = &runtime.LinuxContainerResources{CpuShares: 512}
	if data, err = cs.Encode(); err != nil {
		t.Fatal(err)
	}
	if back, err := DecodeContainerStatus(data); err != nil || !proto.Equal(back.Resources, cs.Resources) {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestWhatCannotBeReadSaysWhy(t *testing.T) {
	for name, tt := range map[string]struct {
		data string
		want error
	}{
		"empty":        {"", ErrEmpty},
		"only a line":  {"\n", ErrEmpty},
		"newer":        {`{"version":99,"kind":"pod","id":{"future":true}}`, ErrNewer},
		"cut off":      {`{"version":1,"kind":"pod","id":"x`, ErrCorrupt},
		"another kind": {`{"version":1,"kind":"container"}`, ErrCorrupt},
		"no version":   {`{"kind":"pod"}`, ErrCorrupt},
		"no config":    {`{"version":1,"kind":"pod","id":"x"}`, ErrCorrupt},
	} {
		if _, err := DecodePod([]byte(tt.data)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	data, err := examplePod().Encode()
	if err != nil {
		t.Fatal(err)
	}
	more := strings.Replace(string(data), `"id":`, `"added_later":[1],"id":`, 1)
	more = strings.Replace(more, `"metadata":`, `"field_of_cri_1_50":{},"metadata":`, 1)
	if _, err := DecodePod([]byte(more)); err != nil {
		t.Error(err)
	}
}

func TestWriteReplacesAndLeavesNothingBeside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pod")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir, RecordFile); !errors.Is(err, ErrEmpty) {
		t.Errorf("a missing file: %v", err)
	}
	for _, content := range []string{"one", "two"} {
		w, err := Write(dir, RecordFile, []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Read(dir, RecordFile); err != nil || string(got) != content {
			t.Errorf("before the sync: %q, %v", got, err)
		}
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left: %v", names)
	}
}

func TestUpdateLeavesNothingOfTheOldContent(t *testing.T) {
	dir := t.TempDir()
	long := &PodStatus{BootID: "b", EndReason: strings.Repeat("x", inPlace)}
	for i, s := range []*PodStatus{{BootID: "b", EndReason: "a longer reason"}, {BootID: "b"}, {BootID: "b", EndReason: "again"}, long, {BootID: "c"}} {
		data, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := Update(dir, StatusFile, data); err != nil {
			t.Fatal(err)
		}
		if data, err = Read(dir, StatusFile); err != nil {
			t.Fatal(err)
		}
		if back, err := DecodePodStatus(data); err != nil || !reflect.DeepEqual(s, back) {
			t.Errorf("%d: %v, %v", i, back, err)
		}
		if !strings.HasSuffix(string(data), "\n") {
			t.Errorf("%d: no newline at the end", i)
		}
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left: %v", names)
	}
}

func BenchmarkUpdate(b *testing.B) {
	dir := b.TempDir()
	data, err := (&PodStatus{BootID: "b", ReadyAt: 1}).Encode()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := Update(dir, StatusFile, data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	dir := b.TempDir()
	data, err := (&PodStatus{BootID: "b", ReadyAt: 1}).Encode()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		w, err := Write(dir, StatusFile, data)
		if err != nil {
			b.Fatal(err)
		}
		w.Close()
	}
}

func FuzzDecode(f *testing.F) {
	pod, _ := examplePod().Encode()
	ctr, _ := exampleContainer().Encode()
	ps, _ := (&PodStatus{IPs: []netip.Addr{netip.MustParseAddr("::1")}}).Encode()
	cs, _ := (&ContainerStatus{Exit: &Exit{}, Resources: &runtime.LinuxContainerResources{}}).Encode()
	for _, seed := range [][]byte{pod, ctr, ps, cs, nil, []byte(`{"version":2}`), []byte(`{"version":1,"kind":"pod","config":{"metadata":null}}`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := DecodePod(data); err == nil {
			if _, err := p.Encode(); err != nil {
				t.Errorf("a pod that was read cannot be written: %v", err)
			}
		}
		if c, err := DecodeContainer(data); err == nil {
			if _, err := c.Encode(); err != nil {
				t.Errorf("a container that was read cannot be written: %v", err)
			}
		}
		if s, err := DecodePodStatus(data); err == nil {
			if _, err := s.Encode(); err != nil {
				t.Errorf("a pod status that was read cannot be written: %v", err)
			}
		}
		if s, err := DecodeContainerStatus(data); err == nil {
			if _, err := s.Encode(); err != nil {
				t.Errorf("a container status that was read cannot be written: %v", err)
			}
		}
	})
}
