// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/oci/cgroup"
)

func TestCPURateIsTakenBetweenTwoReadings(t *testing.T) {
	r, at := NewRates(), time.Unix(100, 0)
	read := func(after time.Duration, usage uint64) *runtime.UInt64Value {
		return r.Of("c", cgroup.Stats{Time: at.Add(after), CPU: cgroup.CPUStats{Usage: usage}})
	}
	if got := read(0, 1e9); got != nil {
		t.Errorf("from one reading: %v", got)
	}
	if got := read(2*time.Second, 2e9); got.GetValue() != 5e8 {
		t.Errorf("half a core: %v", got)
	}
	if got := read(2100*time.Millisecond, 9e9); got.GetValue() != 5e8 {
		t.Errorf("too soon for a new rate: %v", got)
	}
	if got := read(4*time.Second, 1e9); got != nil {
		t.Errorf("after the counter went back: %v", got)
	}
}

func TestDiskUsageCountsAFileWithTwoNamesOnce(t *testing.T) {
	dir := t.TempDir()
	data := []byte(strings.Repeat("x", 1<<16))
	if err := os.WriteFile(filepath.Join(dir, "a"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	bytes, inodes := diskUsage(dir, time.Now().Add(time.Minute))
	if inodes != 2 || bytes < 1<<16 || bytes >= 2<<16 {
		t.Errorf("%d bytes, %d inodes", bytes, inodes)
	}
}

func TestFigureIsTheLastOneUntilItIsOld(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := NewDisk("/mnt")
		go d.Run(t.Context())
		if u := d.Of("c", dir); u.UsedBytes.GetValue() != 0 || u.Timestamp == 0 || u.FsId.GetMountpoint() != "/mnt" {
			t.Errorf("before the first measurement: %v", u)
		}
		synctest.Wait()
		if u := d.Of("c", dir); u.InodesUsed.GetValue() != 1 {
			t.Errorf("an empty directory: %v", u)
		}
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		d.Of("c", dir)
		synctest.Wait()
		if u := d.Of("c", dir); u.InodesUsed.GetValue() != 1 {
			t.Errorf("measured again too soon: %v", u)
		}
		time.Sleep(diskAge + time.Second)
		d.Of("c", dir)
		synctest.Wait()
		if u := d.Of("c", dir); u.InodesUsed.GetValue() != 2 {
			t.Errorf("after its age: %v", u)
		}
		d.Forget("c")
		if len(d.figures) != 0 {
			t.Error("not forgotten")
		}
	})
}
