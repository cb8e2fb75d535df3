// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// primary is the hierarchy in which processes are looked for: every process of a container is in all of them.
func (m *Manager) primary() *hierarchy {
	if m.unified != nil {
		return m.unified
	}
	if h := m.controller("freezer"); h != nil {
		return h
	}
	return m.hierarchies[0]
}

// Pids returns the processes of the cgroup and of those below it, as the caller's PID namespace numbers them, in order.
func (c *Cgroup) Pids() ([]int, error) {
	if len(c.m.hierarchies) == 0 {
		return nil, ErrNone
	}
	pids, err := c.pids(c.m.primary())
	if err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", c.Path(), err)
	}
	return pids, nil
}

// pids lists the processes in one hierarchy. A cgroup that is gone has none.
func (c *Cgroup) pids(h *hierarchy) ([]int, error) {
	set := map[int]bool{}
	err := h.walk(c.path, func(p string) error {
		procs, err := h.read(path.Join(p, "cgroup.procs"))
		switch {
		case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV):
			return nil
		case errors.Is(err, unix.EOPNOTSUPP):
			return nil // a threaded cgroup: the processes are listed by the domain above it
		case err != nil:
			return err
		}
		for line := range strings.Lines(procs) {
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				return err
			}
			if pid > 0 { // 0: of a PID namespace that is not below ours
				set[pid] = true
			}
		}
		return nil
	})
	pids := make([]int, 0, len(set))
	for pid := range set {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids, err
}

// maxDepth bounds how deep walk goes: a container that may write to its cgroup can nest as deep as it likes.
const maxDepth = 64

// walk calls f for the cgroup and all below it, the upper before the lower.
func (h *hierarchy) walk(p string, f func(p string) error) error {
	if err := f(p); err != nil {
		return err
	}
	if strings.Count(p, "/") > maxDepth {
		return nil
	}
	children, err := h.children(p)
	if err != nil {
		return err
	}
	for _, name := range children {
		if err := h.walk(path.Join(p, name), f); err != nil {
			return err
		}
	}
	return nil
}

// children lists the cgroups directly below. There are none when the cgroup is gone.
func (h *hierarchy) children(p string) ([]string, error) {
	root, err := h.fd()
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(root, p, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil && st.Nlink == 2 {
		return nil, nil // kernfs counts the directories
	}
	fd, err := h.open(p, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(fd), path.Join(h.dir, p))
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		err = nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}
