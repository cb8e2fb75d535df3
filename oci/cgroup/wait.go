// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A waiter polls fds until a context ends. It is one goroutine's.
type waiter struct {
	ctx  context.Context
	wake int // eventfd, written when ctx ends
	stop func() bool
}

func newWaiter(ctx context.Context) (*waiter, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	w := &waiter{ctx: ctx, wake: fd}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		_, _ = unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 1})
	})
	w.stop = func() bool {
		if stop() {
			return true
		}
		<-done // it has the fd
		return false
	}
	return w, nil
}

func (w *waiter) close() {
	w.stop()
	unix.Close(w.wake)
}

// poll waits until one of the fds has its events, at most for a time (negative: no limit). It returns the context's error when that ends.
func (w *waiter) poll(fds []unix.PollFd, limit time.Duration) error {
	all := append(fds[:len(fds):len(fds)], unix.PollFd{Fd: int32(w.wake), Events: unix.POLLIN})
	var timeout *unix.Timespec
	if limit >= 0 {
		t := unix.NsecToTimespec(int64(limit))
		timeout = &t
	}
	for {
		_, err := unix.Ppoll(all, timeout, nil)
		if err == unix.EINTR {
			continue
		}
		copy(fds, all)
		return errors.Join(err, w.ctx.Err())
	}
}

// event waits until a v2 cgroup's cgroup.events has the line "key value". A cgroup that is gone has every line.
func (w *waiter) event(h *hierarchy, p, key, value string) error {
	fd, err := h.open(path.Join(p, "cgroup.events"), unix.O_RDONLY)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var buf [256]byte
	for tick := firstTick; ; tick = min(2*tick, lastTick) {
		n, err := unix.Pread(fd, buf[:], 0)
		if err == unix.ENODEV {
			return nil
		}
		if err != nil && err != unix.EINTR {
			return err
		}
		if strings.Contains("\n"+string(buf[:max(n, 0)]), "\n"+key+" "+value+"\n") {
			return nil
		}
		if err := w.poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}, tick); err != nil {
			return err
		}
	}
}

// change waits until cgroup.events changes, at most for a time.
func (w *waiter) change(h *hierarchy, p string, limit time.Duration) error {
	fd, err := h.open(path.Join(p, "cgroup.events"), unix.O_RDONLY)
	if err != nil {
		return w.poll(nil, limit) // gone, or the root, which has none
	}
	defer unix.Close(fd)
	var buf [1]byte
	if _, err := unix.Pread(fd, buf[:], 0); err != nil { // what was read last is what a change is from
		return w.poll(nil, limit)
	}
	return w.poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}, limit)
}

// The kernel wakes pollers of cgroup.events up when it changes, but holds a change back that comes within 10 ms of another
// (CGROUP_FILE_NOTIFY_MIN_INTV). A look now and then meanwhile costs 2 µs.
const (
	firstTick = 200 * time.Microsecond
	lastTick  = 20 * time.Millisecond
)
