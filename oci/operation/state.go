// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"sort"
	"time"

	"golang.org/x/sys/unix"
)

// Status is the state of a container, in the words of runtime.md and of runc. It is derived from facts each time:
//
//	the first process      cgroup frozen   start.sock      who holds the lock
//	not made yet                                           somebody         creating
//	not made yet                                           nobody           stopped: its create was killed
//	exited                                                                  stopped
//	alive                  yes                                              paused
//	alive                  no              accepts                          created
//	alive                  no              refuses, none                    running
type Status string

// The states of a container.
const (
	Creating Status = "creating"
	Created  Status = "created"
	Running  Status = "running"
	Paused   Status = "paused"
	Stopped  Status = "stopped"
)

// status derives the state.
func (c *container) status() Status {
	switch {
	case c.Pid == 0 && locked(int(c.dir.Fd())):
		return Creating
	case !c.alive():
		return Stopped
	case c.frozen():
		return Paused
	case c.listens():
		return Created
	}
	return Running
}

// frozen reads cgroup.freeze (v2: "1") or freezer.state (v1: "FROZEN" or, on the way, "FREEZING").
func (r *record) frozen() bool {
	if r.Freezer == "" {
		return false
	}
	b, err := readAt(unix.AT_FDCWD, r.Freezer)
	return err == nil && (bytes.HasPrefix(b, []byte("1")) || bytes.HasPrefix(b, []byte("FR")))
}

// listens says whether the process waits for its start. It forgets a connection that ends without a word.
func (c *container) listens() bool {
	fd, err := c.dialStart(unix.SOCK_NONBLOCK)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil || errors.Is(err, unix.EAGAIN) // the queue is full: it is stopped, or asked very often
}

// dialStart connects to the process at its barrier.
func (c *container) dialStart(flags int) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|flags, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: c.inside(startName)}); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("connect", err)
	}
	return fd, nil
}

// State is what `state` and `list` print, as runc does.
type State struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Pid         int               `json:"pid"` // 0: stopped
	Status      Status            `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Owner       string            `json:"owner"` // of the record: in List only
}

func (c *container) state() State {
	s := State{
		Version: c.Version, ID: c.ID, Pid: c.Pid, Status: c.status(), Bundle: c.Bundle, Rootfs: c.Rootfs, Created: c.Created,
		Annotations: c.Annotations,
	}
	if s.Status == Stopped {
		s.Pid = 0
	}
	return s
}

// State returns the state of a container. It takes no lock, so that a hook may ask.
func (r *Runtime) State(id string) (State, error) {
	c, err := r.open(id)
	if err != nil {
		return State{}, err
	}
	defer c.Close()
	return c.state(), nil
}

// List returns the states of all containers, in the order of their IDs. Those that cannot be read are told to skipped.
func (r *Runtime) List(skipped func(id string, err error)) ([]State, error) {
	entries, err := os.ReadDir(r.config.Root)
	if errors.Is(err, fs.ErrNotExist) && !r.config.RootGiven {
		return nil, nil // nobody has made one yet
	}
	if err != nil {
		return nil, err
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	var all []State
	for _, e := range entries {
		if !e.IsDir() || ValidateID(e.Name()) != nil {
			continue
		}
		s, err := r.State(e.Name())
		if errors.Is(err, ErrNotExist) { // just being made, or just deleted
			continue
		}
		if err != nil {
			skipped(e.Name(), err)
			continue
		}
		s.Owner = owner(path.Join(r.config.Root, e.Name()))
		all = append(all, s)
	}
	return all, nil
}
