// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"reflect"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
)

func TestCgroupMountsAreRead(t *testing.T) {
	const text = `30 25 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
32 30 0:28 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd
33 30 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct
37 30 0:34 / /rootfs/sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
34 30 0:32 / /sys/fs/cgroup/memory rw shared:16 - cgroup cgroup rw,memory,release_agent=/x
35 30 0:32 / /somewhere/else rw shared:16 - cgroup cgroup rw,memory,release_agent=/x
36 30 0:33 /docker/1 /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
`
	all, err := mountinfo.GetMountsFromReader(strings.NewReader(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	var kept []*mountinfo.Info
	for _, m := range all {
		if strings.HasPrefix(m.FSType, "cgroup") {
			kept = append(kept, m)
		}
	}
	var h Host
	h.readCgroupMounts(kept)
	want := []Hierarchy{
		{Path: "/sys/fs/cgroup/systemd", Controllers: []string{"name=systemd"}}, {Path: "/sys/fs/cgroup/cpu,cpuacct", Controllers: []string{"cpu", "cpuacct"}},
		{Path: "/sys/fs/cgroup/memory", Controllers: []string{"memory"}}, {Path: "/sys/fs/cgroup/pids", Controllers: []string{"pids"}},
	}
	if !reflect.DeepEqual(h.Hierarchies, want) || h.UnifiedMount != "/sys/fs/cgroup/unified" || h.Unified() {
		t.Errorf("got %+v", h)
	}
	h = Host{}
	h.readCgroupMounts(kept[:1])
	if !h.Unified() {
		t.Errorf("got %+v", h)
	}
}

func TestCPUListsBecomeMasks(t *testing.T) {
	for list, want := range map[string][]byte{
		"0": {1, 0, 0, 0, 0, 0, 0, 0}, "0-3,8": {15, 1, 0, 0, 0, 0, 0, 0}, "63": {0, 0, 0, 0, 0, 0, 0, 128},
		"64": {0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, " 1\n": {2, 0, 0, 0, 0, 0, 0, 0},
		"": nil, "-": nil, "1-": nil, "2-1": nil, "8192": nil, "1,,2": nil, "x": nil, "+1": nil,
	} {
		got, err := cpuMask(list)
		if !reflect.DeepEqual(got, want) || (err != nil) != (want == nil) {
			t.Errorf("cpuMask(%q) = %v, %v, want %v", list, got, err, want)
		}
	}
}
