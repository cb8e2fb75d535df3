// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestUpdateKeepsWhatItDoesNotName(t *testing.T) {
	old := &runtime.LinuxContainerResources{
		CpuShares: 512, CpuQuota: 1000, MemoryLimitInBytes: 100, CpusetCpus: "0-3", Unified: map[string]string{"memory.high": "1"},
		HugepageLimits: []*runtime.HugepageLimit{{PageSize: "2MB", Limit: 1}},
	}
	before := proto.CloneOf(old)
	got := mergeResources(old, &runtime.LinuxContainerResources{
		CpuQuota: -1, CpusetCpus: "1", Unified: map[string]string{"memory.low": "2"},
		HugepageLimits: []*runtime.HugepageLimit{{PageSize: "2MB", Limit: 5}, {PageSize: "1GB", Limit: 6}},
	})
	want := &runtime.LinuxContainerResources{
		CpuShares: 512, CpuQuota: -1, MemoryLimitInBytes: 100, CpusetCpus: "1", Unified: map[string]string{"memory.high": "1", "memory.low": "2"},
		HugepageLimits: []*runtime.HugepageLimit{{PageSize: "2MB", Limit: 5}, {PageSize: "1GB", Limit: 6}},
	}
	if !proto.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if !proto.Equal(old, before) {
		t.Errorf("a snapshot was changed: %v", old)
	}
	if got := mergeResources(nil, want); !proto.Equal(got, want) {
		t.Errorf("from nothing: %v", got)
	}
}

func TestNewMemoryLimitKeepsTheSwapThatWasAllowed(t *testing.T) {
	old := &runtime.LinuxContainerResources{MemoryLimitInBytes: 100, MemorySwapLimitInBytes: 150}
	if got := keepSwap(old, &runtime.LinuxContainerResources{MemoryLimitInBytes: 200}); got.MemorySwapLimitInBytes != 250 {
		t.Errorf("swap %d", got.MemorySwapLimitInBytes)
	}
	none := &runtime.LinuxContainerResources{MemoryLimitInBytes: 100, MemorySwapLimitInBytes: 100}
	if got := keepSwap(none, &runtime.LinuxContainerResources{MemoryLimitInBytes: 200}); got.MemorySwapLimitInBytes != 0 {
		t.Errorf("swap %d", got.MemorySwapLimitInBytes)
	}
}

func TestLogIsNeverASymbolicLink(t *testing.T) {
	dir := t.TempDir()
	secret, link := filepath.Join(dir, "secret"), filepath.Join(dir, "log")
	if err := os.WriteFile(secret, []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, link); err != nil {
		t.Fatal(err)
	}
	if f, _, err := openLogFile(link); err == nil {
		f.Close()
		t.Error("a symbolic link was opened as log")
	}
	path := filepath.Join(dir, "new", "0.log")
	for _, made := range []bool{true, false} {
		f, got, err := openLogFile(path)
		if err != nil || got != made {
			t.Fatalf("made %t, %v", got, err)
		}
		if st, _ := f.Stat(); st.Mode().Perm() != 0o640 {
			t.Errorf("mode %v", st.Mode())
		}
		f.Close()
	}
}
