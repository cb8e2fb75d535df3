// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Join is how a process gets into the cgroup. The caller closes it when the process is there.
type Join struct {
	Dir *os.File // v2 and hybrid: the directory, for CLONE_INTO_CGROUP; nil on v1
	// Tasks is, for v1 and hybrid, the file tasks of every v1 hierarchy, write-only: the process, which has one thread, writes "0"
	// to each. A write to cgroup.procs, or to a v2 hierarchy at all, would take cgroup_threadgroup_rwsem for writing, which on an
	// idle machine waits for an RCU grace period: 4 to 14 ms (cgroup_procs_write_start, "we can skip the global lock").
	Tasks []*os.File

	settle func() error // see held
}

// Close closes the files.
func (j Join) Close() error {
	var errs []error
	if j.Dir != nil {
		errs = append(errs, j.Dir.Close())
	}
	for _, f := range j.Tasks {
		errs = append(errs, f.Close())
	}
	if j.settle != nil {
		errs = append(errs, j.settle())
	}
	return errors.Join(errs...)
}

// Join opens what a new process needs to get into the cgroup.
func (c *Cgroup) Join() (Join, error) { return c.join(c.path) }

// JoinBeside is Join for an exec. A container that may write to its v2 cgroup, like one with systemd inside, puts its processes
// into cgroups below, after which the kernel lets none into the cgroup itself (no internal processes): then the new process goes where
// pid, the container's first, is.
func (c *Cgroup) JoinBeside(pid int) (Join, error) {
	if c.m.mode != V2 {
		return c.Join()
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return Join{}, err
	}
	for line := range strings.Lines(string(b)) {
		p, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::/")
		if ok && strings.HasPrefix(p, c.path+"/") && path.Clean(p) == p {
			return c.join(p)
		}
	}
	return c.Join()
}

func (c *Cgroup) join(p string) (Join, error) {
	return c.joinPaths(slices.Repeat([]string{p}, len(c.m.hierarchies)))
}

// joinPaths opens one path in each hierarchy.
func (c *Cgroup) joinPaths(paths []string) (Join, error) {
	var j Join
	for i, h := range c.m.hierarchies {
		name, flags := paths[i], unix.O_PATH|unix.O_DIRECTORY
		if !h.v2 {
			name, flags = path.Join(name, "tasks"), unix.O_WRONLY
		}
		fd, err := h.open(name, flags)
		if err != nil {
			return Join{}, errors.Join(err, j.Close())
		}
		f := os.NewFile(uintptr(fd), path.Join(h.dir, name))
		if h.v2 {
			j.Dir = f
		} else {
			j.Tasks = append(j.Tasks, f)
		}
	}
	if c.held != nil {
		j.settle = c.settle
	}
	return j, nil
}

// OOMFile opens the file with the line "oom_kill N": memory.events (v2) or memory.oom_control (v1).
func (c *Cgroup) OOMFile() (*os.File, error) {
	h := c.m.controller("memory")
	if h == nil {
		return nil, fmt.Errorf("memory: %w", ErrNoController)
	}
	name := path.Join(c.path, "memory.oom_control")
	if h.v2 {
		name = path.Join(c.path, "memory.events")
	}
	fd, err := h.open(name, unix.O_RDONLY)
	if errors.Is(err, unix.ENOENT) && h.v2 { // nobody switched the controller on for it
		err = fmt.Errorf("%w: %w", ErrNoController, err)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path.Join(h.dir, name)), nil
}
