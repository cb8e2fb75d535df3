// SPDX-License-Identifier: Apache-2.0

package leak

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Scope says where to look.
type Scope struct {
	Ancestor int      // processes below this one; 0: every process of crisp on the machine
	Cgroup   string   // what a cgroup's path contains; "": "crisp"
	Dirs     []string // files below these
	Daemon   int      // pid whose fds are counted; 0: none
	Ignore   func(kind, name string) bool
}

// Snapshot counts objects: kind → name → how many.
type Snapshot map[string]map[string]int

// Take looks once.
func Take(scope Scope) (Snapshot, error) {
	s := Snapshot{}
	for kind, read := range map[string]func(Scope) ([]string, error){
		"process": processes, "mount": mounts, "cgroup": cgroups, "netns": networkNamespaces, "link": links,
		"nftable": tables, "shm": segments, "file": files, "fd": descriptors,
	} {
		names, err := read(scope)
		if err != nil {
			return nil, fmt.Errorf("snapshot of %ss: %w", kind, err)
		}
		s[kind] = map[string]int{}
		for _, name := range names {
			if scope.Ignore == nil || !scope.Ignore(kind, name) {
				s[kind][name]++
			}
		}
	}
	return s, nil
}

// Since lists what s has more than before, sorted, one line an object.
func (s Snapshot) Since(before Snapshot) []string {
	var left []string
	for kind, names := range s {
		for name, n := range names {
			if more := n - before[kind][name]; more == 1 {
				left = append(left, kind+" "+name)
			} else if more > 1 {
				left = append(left, fmt.Sprintf("%s %s (%d times)", kind, name, more))
			}
		}
	}
	slices.Sort(left)
	return left
}

// Wait looks until nothing is left since before, or the context ends: then it returns what is left.
func Wait(ctx context.Context, scope Scope, before Snapshot) ([]string, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		now, err := Take(scope)
		if err != nil {
			return nil, err
		}
		left := now.Since(before)
		if len(left) == 0 {
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return left, nil
		case <-tick.C:
		}
	}
}
