// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Kill kills every process of the cgroup and of those below it and waits until none is left, at most until ctx ends:
// then the error is a *StuckError that names them. A frozen cgroup is thawed.
func (c *Cgroup) Kill(ctx context.Context) error {
	if err := c.settle(); err != nil {
		return err
	}
	w, err := newWaiter(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	if c.m.unified != nil {
		if err := c.killUnified(w); err != nil {
			return c.stuck(c.m.unified, err)
		}
		if c.m.mode == V2 {
			return nil
		}
	}
	// A process is in all hierarchies or, when something moved it, in some. With the unified one empty this is a look.
	for _, h := range c.m.hierarchies {
		if h.v2 {
			continue
		}
		if err := c.killIn(h, w); err != nil {
			return c.stuck(h, err)
		}
	}
	return nil
}

// killUnified writes cgroup.kill (since Linux 5.14), which also catches what is being forked, and waits for "populated 0".
// Pidfds of some processes tell sooner than cgroup.events when they are dead.
func (c *Cgroup) killUnified(w *waiter) error {
	h := c.m.unified
	pids, err := c.pids(h)
	if err != nil {
		return err
	}
	var fds []int
	defer func() { closeAll(fds) }()
	for _, pid := range pids[:min(len(pids), killBatch)] {
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			fds = append(fds, fd)
		}
	}
	err = h.write(path.Join(c.path, "cgroup.kill"), "1")
	switch {
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP):
		return c.killIn(h, w) // gone, or an older kernel, or threaded
	case err != nil:
		return err
	}
	if err := waitExit(w, fds); err != nil {
		return err
	}
	return w.event(h, c.path, "populated", "0")
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// killBatch bounds the pidfds that are open at a time.
const killBatch = 128

// killIn kills what the hierarchy lists until there is nothing. Meanwhile the cgroup is frozen, so that a fork bomb cannot win.
func (c *Cgroup) killIn(h *hierarchy, w *waiter) error {
	for {
		pids, err := c.pids(h)
		if err != nil || len(pids) == 0 {
			return err
		}
		if err := w.ctx.Err(); err != nil {
			return err
		}
		_ = c.setFrozen(true) // where there is no freezer the loop has to do
		fds, err := c.signal(h)
		thawErr := c.setFrozen(false) // on v1 the frozen die only when they are thawed
		if errors.Is(thawErr, ErrNotFound) || errors.Is(thawErr, ErrNoController) {
			thawErr = nil
		}
		if err = errors.Join(err, thawErr); err == nil {
			err = waitExit(w, fds)
		}
		closeAll(fds)
		if err != nil {
			return err
		}
	}
}

// signal sends SIGKILL to all that are listed, and returns pidfds of some of them, at most killBatch.
func (c *Cgroup) signal(h *hierarchy) (fds []int, err error) {
	pids, err := c.pids(h)
	for len(pids) > 0 && err == nil {
		n := min(len(pids), killBatch)
		batch := make(map[int]int, n)
		for _, pid := range pids[:n] {
			if fd, err := unix.PidfdOpen(pid, 0); err == nil {
				batch[pid] = fd
			}
		}
		// A PID read from the list may belong to another process by the time it is opened, but not when it is still listed then.
		var listed []int
		listed, err = c.pids(h)
		for _, pid := range listed {
			if fd, ok := batch[pid]; ok {
				_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // ESRCH: it is dead
			}
		}
		for _, fd := range batch {
			if len(fds) < killBatch {
				fds = append(fds, fd)
			} else {
				unix.Close(fd)
			}
		}
		pids = pids[n:]
	}
	return fds, err
}

// waitExit waits until all the processes are dead.
func waitExit(w *waiter, pidfds []int) error {
	for _, fd := range pidfds {
		if err := w.poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err != nil {
			return err
		}
	}
	return nil
}

// stuck names the processes that are left when the time is over.
func (c *Cgroup) stuck(h *hierarchy, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("cgroup %s: %w", c.Path(), err)
	}
	pids, _ := c.pids(h)
	e := &StuckError{Path: c.Path(), Err: err}
	for _, pid := range pids {
		e.Processes = append(e.Processes, describe(pid))
	}
	return e
}

// describe reads what /proc says about a process: "PID (name) state …" in stat, and wchan, which only root may see.
func describe(pid int) StuckProcess {
	p := StuckProcess{Pid: pid, State: "?"}
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if open, end := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')'); open >= 0 && end > open {
		p.Name = string(stat[open+1 : end])
		if rest := strings.Fields(string(stat[end+1:])); len(rest) > 0 {
			p.State = rest[0]
		}
	}
	wchan, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", pid))
	p.Wchan = string(wchan)
	return p
}
