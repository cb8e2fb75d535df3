// SPDX-License-Identifier: Apache-2.0

package events

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Watch tells of the OOM killer in a cgroup.
//
//	v2  inotify tells of every change of memory.events (somebody was killed: oom_kill grows) and of cgroup.events (the last process
//	    has gone: "populated 0"; there is no event for the removal)
//	v1  an eventfd counts what memory.oom_control reports, and tells once more when the cgroup is removed
type Watch struct {
	file  *os.File // the inotify instance or the eventfd
	held  *os.File // v1: memory.oom_control, which must stay open
	dir   string
	v2    bool
	kills uint64
}

// NewWatch begins to watch.
func NewWatch(d Dirs) (*Watch, error) {
	w := &Watch{v2: d.V2, dir: d.Of("memory")}
	if w.dir == "" {
		return nil, errors.New("memory controller missing")
	}
	var err error
	if w.v2 {
		err = w.openV2()
	} else {
		err = w.openV1()
	}
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("watch for the OOM killer: %w", err)
	}
	return w, nil
}

// Names of files.
const (
	memoryEvents = "memory.events"
	cgroupEvents = "cgroup.events"
	eventControl = "cgroup.event_control"
)

func (w *Watch) openV2() error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("inotify_init1", err)
	}
	w.file = os.NewFile(uintptr(fd), "inotify")
	for _, name := range []string{memoryEvents, cgroupEvents} {
		path := filepath.Join(w.dir, name)
		if _, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY); err != nil {
			return &os.PathError{Op: "inotify_add_watch", Path: path, Err: err}
		}
	}
	w.kills = w.event(memoryEvents, "oom_kill")
	return nil
}

func (w *Watch) openV1() error {
	var err error
	if w.held, err = os.Open(filepath.Join(w.dir, "memory.oom_control")); err != nil {
		return err
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	w.file = os.NewFile(uintptr(fd), "eventfd")
	return os.WriteFile(filepath.Join(w.dir, eventControl), fmt.Appendf(nil, "%d %d", fd, w.held.Fd()), 0)
}

// event is one number of a file of events; that of a cgroup that is gone is 0.
func (w *Watch) event(file, key string) uint64 {
	b, _ := os.ReadFile(filepath.Join(w.dir, file))
	return pairs(string(b))[key]
}

// Wait waits until a process of the container was killed for want of memory. It returns false when the container has ended, and
// os.ErrClosed after Close.
func (w *Watch) Wait() (bool, error) {
	buffer := make([]byte, unix.SizeofInotifyEvent+unix.NAME_MAX+1)
	for {
		if w.v2 && w.event(cgroupEvents, "populated") == 0 {
			return false, nil
		}
		if _, err := w.file.Read(buffer); err != nil {
			return false, err
		}
		if !w.v2 {
			_, err := os.Lstat(filepath.Join(w.dir, eventControl))
			return !errors.Is(err, fs.ErrNotExist), nil
		}
		if n := w.event(memoryEvents, "oom_kill"); n > w.kills {
			w.kills = n
			return true, nil
		}
	}
}

// Close ends a Wait.
func (w *Watch) Close() {
	for _, f := range []*os.File{w.file, w.held} {
		if f != nil {
			f.Close()
		}
	}
}
