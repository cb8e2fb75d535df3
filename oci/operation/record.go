// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// recordForm is the form of the records that this program writes, and the only one that it reads: /run does not outlive the host's boot.
const recordForm = 2

// A record is what is kept of a container: <root>/<id>/record.json. It holds no state. That is derived from facts (state.go). Its text is in
// record_text.go.
type record struct {
	ID          string
	Version     string
	Bundle      string
	Rootfs      string
	Created     time.Time
	Annotations map[string]string

	// Pid is the first process; StartTime tells it from a later one with the same number. Both are 0 until it stands at its barrier.
	Pid       int
	StartTime uint64

	// Cgroup is the path below each hierarchy, Freezer the file that tells whether it is frozen; "": none.
	Cgroup  string
	Freezer string
	// Hierarchies are those in which it has a cgroup; null: all, none: somebody without rights on cgroups made it.
	Hierarchies []string
	Systemd     bool

	// Mount is the mount that the container's root is, if others are in its mount namespace too; delete unmounts it.
	Mount string

	// Notes are the words for the steps that the process carries out when it is started.
	Notes map[int]string

	// Program is process.args[0].
	Program string

	// Hooks: there are some for start or delete.
	Hooks     bool
	NoKeyring bool // its processes keep the session keyring of whoever makes them
	// OwnPIDs: it has a PID namespace of its own, so that all its processes die with the first.
	OwnPIDs bool

	ListenFDs int    // files that systemd had for it
	IntelRdt  string // linux.intelRdt, in JSON, also as it was changed since; "": none
	// TimeNamespace: it has a time namespace, of which config.json says nothing; see restore.
	TimeNamespace bool
}

// maxRecord bounds what is read of a file.
const maxRecord = maxConfig + 1<<20

// Names in a container's directory.
const (
	recordName = "record.json"
	asideName  = ".record.json"
	startName  = "start.sock"
)

// A container is the directory of one container, opened, with its record as it was then. The directory is also what is locked.
type container struct {
	record
	runtime *Runtime
	dir     *os.File
	notify  *notifier // of a workload that runs at once; nil: nobody waits for it
	config  []byte    // the text of config.json, in the file of the record too; see kept
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
func (c *container) Close() {
	c.notify.Close()
	c.dir.Close()
}

func (c *container) read() error {
	b, err := readAt(int(c.dir.Fd()), recordName)
	if errors.Is(err, unix.ENOENT) {
		return ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("%s/%s: %w", c.dir.Name(), recordName, err)
	}
	r, config, err := parseRecord(b)
	if err != nil {
		return fmt.Errorf("%s: %w", c.dir.Name(), err)
	}
	if r.ID != c.ID {
		return fmt.Errorf("%s: the record is of %q", c.dir.Name(), r.ID)
	}
	c.record, c.config = r, config
	c.runtime = c.runtime.without(r.Hierarchies).bySystemd(r.Systemd)
	return nil
}

// write writes the record aside and puts it in place. It is not synced: nothing of it counts after the host's next boot.
func (c *container) write() error {
	dir := int(c.dir.Fd())
	fd, err := unix.Openat(dir, asideName, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: c.dir.Name() + "/" + asideName, Err: err}
	}
	err = writeAll(fd, c.text(), c.config)
	if closeErr := unix.Close(fd); err == nil {
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

// readAt reads a file below a directory.
func readAt(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return readAll(fd, maxRecord)
}

// readAll reads a file of up to so many bytes.
func readAll(fd, most int) ([]byte, error) {
	b := make([]byte, 0, 4096)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err == nil && st.Size < int64(most) && st.Size >= int64(cap(b)) {
		b = make([]byte, 0, st.Size+1) // with room to see the end
	}
	for {
		n, err := unix.Read(fd, b[len(b):min(cap(b), most)])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, err
		case n == 0:
			return b, nil
		}
		b = b[:len(b)+n]
		if len(b) == most {
			return b, nil
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

// writeAll writes texts one after the other.
func writeAll(fd int, texts ...[]byte) error {
	for _, b := range texts {
		for len(b) > 0 {
			n, err := unix.Write(fd, b)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				return err
			}
			b = b[n:]
		}
	}
	return nil
}
