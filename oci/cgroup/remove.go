// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Remove waits maxBusy for processes that are dying, which no file lists any more, when ctx allows so long. For processes that
// are listed it waits patience only: they may live on for ever.
const (
	maxBusy  = time.Second
	patience = 30 * time.Millisecond
	maxPause = 4 * time.Millisecond
)

// Remove removes the cgroup and those below it. It is no error when it is gone already, and ErrBusy when processes are left,
// which it names. The driver hears of it afterwards: it would wait for processes that are left, a minute and a half.
func (c *Cgroup) Remove(ctx context.Context) error {
	settleErr := c.settle()
	if err := c.removeFrom(ctx, c.m.hierarchies); err != nil {
		return errors.Join(err, settleErr)
	}
	if c.unit == nil {
		return nil
	}
	return errors.Join(c.m.driver.Stop(ctx, c.unit.Name), settleErr)
}

func (c *Cgroup) removeFrom(ctx context.Context, hierarchies []*hierarchy) error {
	var busy []*hierarchy
	var errs []error
	for _, h := range hierarchies {
		switch err := h.removeTree(c.path); {
		case err == nil:
		case errors.Is(err, unix.EBUSY):
			busy = append(busy, h)
		default:
			errs = append(errs, err)
		}
	}
	if len(busy) > 0 {
		errs = append(errs, c.removeBusy(ctx, busy))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove cgroup %s: %w", c.Path(), err)
	}
	return nil
}

// removeBusy tries again what has processes.
func (c *Cgroup) removeBusy(ctx context.Context, hierarchies []*hierarchy) error {
	limited, cancel := context.WithTimeout(ctx, maxBusy)
	defer cancel()
	w, err := newWaiter(limited)
	if err != nil {
		return err
	}
	defer w.close()
	for _, h := range hierarchies {
		if err := c.removeWhenEmpty(h, w); err != nil {
			return errors.Join(err, ctx.Err())
		}
	}
	return nil
}

// removeWhenEmpty: on v2 the kernel says when the last process is gone; v1 has to be asked.
func (c *Cgroup) removeWhenEmpty(h *hierarchy, w *waiter) error {
	started := time.Now()
	for pause := firstTick; ; pause = min(2*pause, maxPause) {
		err := h.removeTree(c.path)
		if err == nil || !errors.Is(err, unix.EBUSY) {
			return err
		}
		if time.Since(started) > patience {
			if pids, _ := c.pids(h); len(pids) > 0 {
				return c.busy(h)
			}
		}
		if h.v2 {
			err = w.change(h, c.path, pause)
		} else {
			err = w.poll(nil, pause)
		}
		if err != nil {
			return c.busy(h)
		}
	}
}

func (c *Cgroup) busy(h *hierarchy) error {
	pids, _ := c.pids(h)
	var names []string
	for _, pid := range pids {
		p := describe(pid)
		names = append(names, fmt.Sprintf("%d (%s) %s", pid, p.Name, p.State))
	}
	return fmt.Errorf("%w: %s has processes %s", ErrBusy, path.Join(h.dir, c.path), strings.Join(names, ", "))
}

// removeTree removes the directory and all below it. It keeps one fd and the names on the way, because a container that may write
// to its cgroup can nest deeper than paths and fds go.
func (h *hierarchy) removeTree(p string) error {
	root, err := h.fd()
	if err != nil {
		return err
	}
	err = rmdirat(root, p)
	if err == nil || err == unix.ENOENT {
		return nil
	}
	// EBUSY: it has children or processes.
	if err != unix.EBUSY && err != unix.ENOTEMPTY {
		return &os.PathError{Op: "rmdir", Path: path.Join(h.dir, p), Err: err}
	}
	dir, openErr := h.open(p, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(openErr, unix.ENOENT) {
		return nil
	}
	if openErr != nil {
		return openErr
	}
	if err := removeChildren(&dir); err != nil {
		unix.Close(dir)
		return fmt.Errorf("rmdir below %s: %w", path.Join(h.dir, p), err)
	}
	unix.Close(dir)
	if err := rmdirat(root, p); err != nil && err != unix.ENOENT {
		return &os.PathError{Op: "rmdir", Path: path.Join(h.dir, p), Err: err}
	}
	return nil
}

// removeChildren removes what is below *dir, and leaves *dir open there.
func removeChildren(dir *int) error {
	var way []string // names from the top to *dir
	for {
		name, err := removeLeaves(*dir)
		if err != nil {
			return err
		}
		next := name
		if name == "" {
			if len(way) == 0 {
				return nil
			}
			next = ".."
		}
		fd, err := unix.Openat(*dir, next, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
		if err == unix.ENOENT && name != "" {
			continue
		}
		if err != nil {
			return err
		}
		unix.Close(*dir)
		*dir = fd
		if name != "" {
			way = append(way, name)
			continue
		}
		last := way[len(way)-1]
		way = way[:len(way)-1]
		if err := rmdirat(*dir, last); err != nil && err != unix.ENOENT {
			return err
		}
	}
}

// removeLeaves removes the children that it can, and returns the name of one that has children itself; "" when none is left.
func removeLeaves(dir int) (deeper string, err error) {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	f := os.NewFile(uintptr(fd), "cgroup")
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return "", err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		switch err := rmdirat(dir, e.Name()); err {
		case nil, unix.ENOENT:
		case unix.EBUSY, unix.ENOTEMPTY:
			var st unix.Stat_t
			if err := unix.Fstatat(dir, e.Name(), &st, unix.AT_SYMLINK_NOFOLLOW); err == nil && st.Nlink <= 2 {
				return "", unix.EBUSY // no children: processes
			}
			deeper = e.Name()
		default:
			return "", err
		}
	}
	return deeper, nil
}

func rmdirat(dir int, name string) error {
	for {
		err := unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
		if err != unix.EINTR {
			return err
		}
	}
}
