// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"path/filepath"
	"slices"
	"strings"
)

// A mount is one mounted hierarchy.
type mount struct {
	dir         string
	v2          bool
	name        string   // first controller, or "name=…", or "unified"
	controllers []string // v1: of the super block's options
}

// v1Controllers are what a v1 hierarchy's super block options name beside others (cgroups(7)).
var v1Controllers = []string{
	"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "net_cls", "net_prio", "perf_event", "rdma", "misc",
}

// parseMounts finds the cgroup mounts at or below root in the text of /proc/PID/mountinfo, v2 last, each hierarchy once. Between the
// mount point and the dash there are any number of fields; a space in a name is written as \040.
//
//	35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
//	41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
func parseMounts(text []byte, root string) []mount {
	root = filepath.Clean(root)
	var v1, v2 []mount
	for line := range strings.Lines(string(text)) {
		where, what, ok := strings.Cut(line, " - cgroup")
		if !ok {
			continue
		}
		place, fs := strings.Fields(where), strings.Fields(what)
		if len(place) < 5 || len(fs) == 0 || place[4] != root && !strings.HasPrefix(place[4], root+"/") {
			continue
		}
		dir, options := place[4], fs[len(fs)-1]
		if strings.HasPrefix(what, "2 ") {
			// The latest mount on a directory is the one that shows, and nothing below another cgroup2 counts.
			v2 = append(v2[:0], mount{dir: dir, v2: true, name: "unified"})
			continue
		}
		m := mount{dir: dir}
		for _, o := range strings.Split(options, ",") {
			if slices.Contains(v1Controllers, o) {
				m.controllers = append(m.controllers, o)
			} else if strings.HasPrefix(o, "name=") {
				m.name = o
			}
		}
		if m.name == "" && len(m.controllers) > 0 {
			m.name = m.controllers[0]
		}
		known := func(o mount) bool { return o.name == m.name }
		if m.name != "" && !slices.ContainsFunc(v1, known) {
			v1 = append(v1, m)
		}
	}
	return append(v1, v2...)
}
