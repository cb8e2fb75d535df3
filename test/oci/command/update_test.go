// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"crisp/oci/events"
)

func itoa(n int) string { return strconv.Itoa(n) }

// limit reads a file of a container's cgroup: of the first of the names that is there, "v1 controller/file" or v2's.
func (b *bench) limit(c container, v1, v2 string) string {
	b.Helper()
	path := "/sys/fs/cgroup" + b.cgroup + "/" + c.id + "/" + v2
	if !place.unified {
		controller, file, _ := strings.Cut(v1, "/")
		path = "/sys/fs/cgroup/" + controller + b.cgroup + "/" + c.id + "/" + file
	}
	text, err := os.ReadFile(path)
	if err != nil {
		b.Skipf("this host has no such limit: %v", err)
	}
	return strings.TrimSpace(string(text))
}

func TestFlagsOfUpdate(t *testing.T) {
	b := newBench(t)
	c := b.running(waiting)
	for _, k := range []struct {
		flags          []string
		v1, v2         string
		wantV1, wantV2 string
	}{
		{[]string{"--memory", "64M"}, "memory/memory.limit_in_bytes", "memory.max", "67108864", "67108864"},
		{[]string{"--memory-reservation", "33554432"}, "memory/memory.soft_limit_in_bytes", "memory.low", "33554432", "33554432"},
		{[]string{"--memory-swap", "96M"}, "memory/memory.memsw.limit_in_bytes", "memory.swap.max", "100663296", "33554432"},
		{[]string{"--pids-limit", "17"}, "pids/pids.max", "pids.max", "17", "17"},
		{[]string{"--pids-limit", "-1"}, "pids/pids.max", "pids.max", "max", "max"},
		{[]string{"--cpu-period", "50000", "--cpu-quota", "20000"}, "cpu/cpu.cfs_quota_us", "cpu.max", "20000", "20000 50000"},
		{[]string{"--cpu-burst", "10000"}, "cpu/cpu.cfs_burst_us", "cpu.max.burst", "10000", "10000"},
		{[]string{"--cpu-share", "512"}, "cpu/cpu.shares", "cpu.weight", "512", "59"},
		{[]string{"--cpuset-cpus", "0"}, "cpuset/cpuset.cpus", "cpuset.cpus", "0", "0"},
		{[]string{"--cpuset-mems", "0"}, "cpuset/cpuset.mems", "cpuset.mems", "0", "0"},
		{[]string{"--cpu-idle", "1"}, "cpu/cpu.idle", "cpu.idle", "1", "1"},
	} {
		t.Run(k.flags[0][2:], func(t *testing.T) {
			s := &bench{T: t, dir: b.dir, cgroup: b.cgroup}
			if !s.knows("update", k.flags[0]) {
				s.newer("update has no "+k.flags[0], false)
			}
			s.limit(c, k.v1, k.v2) // skips
			s.ok(append(append([]string{"update"}, k.flags...), c.id)...)
			want := k.wantV1
			if place.unified {
				want = k.wantV2
			}
			if got := s.limit(c, k.v1, k.v2); got != want {
				t.Errorf("%v: %s is %q, want %q", k.flags, k.v2, got, want)
			}
		})
	}
	b.fails(1, "", "update", "--memory", "much", c.id)
	b.fails(1, "does not exist", "update", "--memory", "64M", "nobody")
}

func TestUpdateOfAFile(t *testing.T) {
	b := newBench(t)
	c := b.running(waiting)
	text := []byte(`{"pids": {"limit": 23}, "memory": {"limit": 67108864}}`)
	file := filepath.Join(b.dir, "resources.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	b.ok("update", "--resources", file, c.id)
	if got := b.limit(c, "pids/pids.max", "pids.max"); got != "23" {
		t.Errorf("pids.max %s", got)
	}
	f := b.file()
	if _, err := f.WriteAt([]byte(`{"pids": {"limit": 24}}`), 0); err != nil {
		t.Fatal(err)
	}
	cmd := b.command("update", "-r", "-", c.id)
	cmd.Stdin = f
	if r := b.run(cmd); r.code != 0 {
		t.Error(r)
	}
	if got := b.limit(c, "pids/pids.max", "pids.max"); got != "24" {
		t.Errorf("pids.max %s", got)
	}
	b.fails(1, "", "update", "-r", "/nonexistent", c.id)
	if err := os.WriteFile(file, []byte("["), 0o644); err != nil {
		t.Fatal(err)
	}
	b.fails(1, "", "update", "-r", file, c.id)
}

// No machine that the tests run on has RDT; what is divided where it is there is tested in oci/rdt and oci.
func TestUpdateDividesCachesWhereItCan(t *testing.T) {
	b := newBench(t)
	if mounts, err := os.ReadFile("/proc/filesystems"); err == nil && strings.Contains(string(mounts), "resctrl") {
		t.Skip("this machine has resctrl")
	}
	c := b.running(waiting)
	b.fails(1, "", "update", "--l3-cache-schema", "L3:0=f", c.id)
	b.fails(1, "", "update", "--mem-bw-schema", "MB:0=50", c.id)
}

func TestEvents(t *testing.T) {
	b := newBench(t)
	c := b.running(waiting)
	var e events.Event
	if err := json.Unmarshal([]byte(b.ok("events", "--stats", c.id)), &e); err != nil || e.Type != "stats" || e.ID != c.id || e.Data == nil {
		t.Fatalf("%+v, %v", e, err)
	}
	if e.Data.Memory.Usage.Usage == 0 || e.Data.Pids.Current == 0 || e.Data.Hugetlb == nil {
		t.Errorf("%+v", e.Data)
	}
	b.fails(1, "must be greater than 0", "events", "--interval", "0", c.id)
	b.fails(1, "does not exist", "events", "nobody")

	cmd := b.command("events", "--interval", "50ms", c.id)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(b, "third line", func() (int, bool) {
		n := strings.Count(b.text(cmd.Stdout), `{"type":"stats","id":"`+c.id+`"`)
		return n, n >= 3
	})
	b.ok("update", "--memory", "12M", "--memory-swap", "12M", c.id)
	b.do("exec", c.id, "/bin/sh", "-c", "tail /dev/zero")
	until(b, "OOM", func() (string, bool) {
		out := b.text(cmd.Stdout)
		return out, strings.Contains(out, `{"type":"oom","id":"`+c.id+`"}`)
	})
	b.ok("delete", "--force", c.id)
	if place.peer { // it goes on for a while, and says of each line what it could not read
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return
	}
	if r := b.finish(cmd); r.code != 0 {
		t.Errorf("events of what was deleted: %v", r)
	}
	b.fails(1, "does not exist", "events", c.id)
}
