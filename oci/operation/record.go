// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// recordForm is the form of the records that this program writes, and the only one that it reads: /run does not outlive the host's boot.
const recordForm = 1

// A record is what is kept of a container: <root>/<id>/record.json. It holds no state. That is derived from facts (state.go).
type record struct {
	Form        int               `json:"form"`
	ID          string            `json:"id"`
	Version     string            `json:"ociVersion"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`

	// Pid is the first process; StartTime tells it from a later one with the same number. Both are 0 until it stands at its barrier.
	Pid       int    `json:"pid,omitempty"`
	StartTime uint64 `json:"startTime,omitempty"`

	// Cgroup is the path below each hierarchy, Freezer the file that tells whether it is frozen; "": none.
	Cgroup  string `json:"cgroup"`
	Freezer string `json:"freezer,omitempty"`
	// Hierarchies are those in which it has a cgroup; null: all, none: somebody without rights on cgroups made it.
	Hierarchies []string `json:"hierarchies"`
	Systemd     bool     `json:"systemd,omitempty"`

	// Mount is the mount that the container's root is, if others are in its mount namespace too; delete unmounts it.
	Mount string `json:"mount,omitempty"`

	// Notes are the words for the steps that the process carries out when it is started.
	Notes map[int]string `json:"notes,omitempty"`

	// Program is process.args[0].
	Program string `json:"program,omitempty"`

	// Hooks: there are some for start or delete.
	Hooks     bool `json:"hooks,omitempty"`
	NoKeyring bool `json:"noKeyring,omitempty"` // its processes keep the session keyring of whoever makes them
	// OwnPIDs: it has a PID namespace of its own, so that all its processes die with the first.
	OwnPIDs bool `json:"ownPIDs,omitempty"`

	// Spec is what later commands need of config.json; see keep. Read by few, so parsed by them.
	Spec json.RawMessage `json:"spec,omitempty"`
}

// Names in a container's directory.
const (
	recordName = "record.json"
	asideName  = ".record.json"
	startName  = "start.sock"
)

// parseRecord reads a record.
func parseRecord(b []byte) (record, error) {
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return record{}, fmt.Errorf("%s: %w", recordName, err)
	}
	if r.Form != recordForm {
		return record{}, fmt.Errorf("%s: form %d, not %d", recordName, r.Form, recordForm)
	}
	return r, nil
}

// A container is the directory of one container, opened, with its record as it was then. The directory is also what is locked.
type container struct {
	record
	runtime *Runtime
	dir     *os.File
}

// directory makes the directory of a new container, or ErrExist, and holds its lock.
func (r *Runtime) directory(id string) (*container, error) {
	if err := ValidateID(id); err != nil {
		return nil, err
	}
	path := r.path(id)
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.MkdirAll(r.config.Root, 0o700); err == nil {
			err = os.Mkdir(path, 0o700)
		}
	}
	if errors.Is(err, os.ErrExist) {
		return nil, ErrExist
	}
	if err != nil {
		return nil, err
	}
	c, err := r.openDirectory(id)
	if err == nil {
		err = unix.Flock(int(c.dir.Fd()), unix.LOCK_EX) // nobody else keeps the lock of a directory without a record
	}
	if err != nil {
		os.Remove(path)
		return nil, err
	}
	return c, nil
}

func (r *Runtime) path(id string) string { return r.config.Root + "/" + id }

func (r *Runtime) openDirectory(id string) (*container, error) {
	fd, err := unix.Open(r.path(id), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return nil, ErrNotExist
	case err != nil:
		return nil, &os.PathError{Op: "open", Path: r.path(id), Err: err}
	}
	return &container{runtime: r, dir: os.NewFile(uintptr(fd), r.path(id)), record: record{ID: id}}, nil
}

// open opens a container that exists. Without a record it does not, for runc and for us.
func (r *Runtime) open(id string) (*container, error) {
	if err := ValidateID(id); err != nil {
		return nil, err
	}
	c, err := r.openDirectory(id)
	if err != nil {
		return nil, err
	}
	if err := c.read(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// openLocked is open, and holds the container's lock until Close.
func (r *Runtime) openLocked(id string) (*container, error) {
	c, err := r.open(id)
	if err != nil {
		return nil, err
	}
	waited, err := lock(int(c.dir.Fd()))
	if err == nil && waited { // for somebody who may have changed or removed it
		err = c.read()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close closes the directory, and with that gives up its lock.
func (c *container) Close() { c.dir.Close() }

func (c *container) read() error {
	b, err := readAt(int(c.dir.Fd()), recordName)
	if errors.Is(err, unix.ENOENT) {
		return ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("%s/%s: %w", c.dir.Name(), recordName, err)
	}
	r, err := parseRecord(b)
	if err != nil {
		return fmt.Errorf("%s: %w", c.dir.Name(), err)
	}
	if r.ID != c.ID {
		return fmt.Errorf("%s: the record is of %q", c.dir.Name(), r.ID)
	}
	c.record = r
	c.runtime = c.runtime.without(r.Hierarchies).bySystemd(r.Systemd)
	return nil
}

// write writes the record aside and puts it in place. It is not synced: nothing of it counts after the host's next boot.
func (c *container) write() error {
	c.Form = recordForm
	b, err := json.Marshal(&c.record)
	if err != nil {
		return fmt.Errorf("%s: %w", recordName, err)
	}
	dir := int(c.dir.Fd())
	fd, err := unix.Openat(dir, asideName, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: c.dir.Name() + "/" + asideName, Err: err}
	}
	f := os.NewFile(uintptr(fd), asideName)
	_, err = f.Write(append(b, '\n'))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = unix.Renameat(dir, asideName, dir, recordName)
	}
	if err != nil {
		return fmt.Errorf("%s/%s: %w", c.dir.Name(), recordName, err)
	}
	return nil
}

// remove removes the directory, its record last.
func (c *container) remove() error {
	dir := int(c.dir.Fd())
	for _, name := range []string{startName, asideName, recordName} {
		if err := unix.Unlinkat(dir, name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
			return &os.PathError{Op: "unlink", Path: c.dir.Name() + "/" + name, Err: err}
		}
	}
	err := unix.Rmdir(c.dir.Name())
	if errors.Is(err, unix.ENOTEMPTY) {
		return os.RemoveAll(c.dir.Name())
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "rmdir", Path: c.dir.Name(), Err: err}
	}
	return nil
}

// inside names a file of the directory by its descriptor: a socket's address has room for 107 bytes, a root of any length is allowed.
func (c *container) inside(name string) string {
	return "/proc/self/fd/" + strconv.Itoa(int(c.dir.Fd())) + "/" + name
}

// readAt reads a small file below a directory.
func readAt(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	b := make([]byte, 0, 4096)
	for {
		n, err := unix.Read(fd, b[len(b):cap(b)])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, err
		case n == 0:
			return b, nil
		}
		b = b[:len(b)+n]
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}
