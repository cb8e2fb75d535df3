// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// A Join is how a process gets into the cgroup. The caller closes it.
type Join struct {
	Dir   *os.File   // v2: the directory, for CLONE_INTO_CGROUP; nil on v1 and hybrid
	Procs []*os.File // v1 and hybrid: cgroup.procs of every hierarchy, write-only: the process writes "0" to each; nil on v2
}

// Close closes the files.
func (j Join) Close() error {
	var errs []error
	if j.Dir != nil {
		errs = append(errs, j.Dir.Close())
	}
	for _, f := range j.Procs {
		errs = append(errs, f.Close())
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
	if c.m.mode == V2 {
		fd, err := c.m.unified.open(p, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return Join{}, err
		}
		return Join{Dir: os.NewFile(uintptr(fd), path.Join(c.m.unified.dir, p))}, nil
	}
	j := Join{Procs: make([]*os.File, 0, len(c.m.hierarchies))}
	for _, h := range c.m.hierarchies {
		name := path.Join(p, "cgroup.procs")
		fd, err := h.open(name, unix.O_WRONLY)
		if err != nil {
			return Join{}, errors.Join(err, j.Close())
		}
		j.Procs = append(j.Procs, os.NewFile(uintptr(fd), path.Join(h.dir, name)))
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
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path.Join(h.dir, name)), nil
}
