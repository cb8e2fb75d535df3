// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
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

// parseMounts finds the cgroup mounts at or below root in the text of /proc/PID/mountinfo, v2 last, each hierarchy once:
//
//	35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
//	41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
func parseMounts(r io.Reader, root string) ([]mount, error) {
	root = filepath.Clean(root)
	infos, err := mountinfo.GetMountsFromReader(r, func(i *mountinfo.Info) (skip, stop bool) {
		below := i.Mountpoint == root || strings.HasPrefix(i.Mountpoint, root+"/")
		return !below || i.FSType != "cgroup" && i.FSType != "cgroup2", false
	})
	if err != nil {
		return nil, err
	}
	var v1, v2 []mount
	for _, i := range infos {
		if i.FSType == "cgroup2" {
			// The latest mount on a directory is the one that shows, and nothing below another cgroup2 counts.
			v2 = append(v2[:0], mount{dir: i.Mountpoint, v2: true, name: "unified"})
			continue
		}
		m := mount{dir: i.Mountpoint}
		for _, o := range strings.Split(i.VFSOptions, ",") {
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
	return append(v1, v2...), nil
}
