// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// makePlaces makes the mount points that are missing, as a create would: criu mounts on what is there. Below a bind mount they are made in what
// that shows, below a tmpfs they are of the checkpoint, and cgroups' come with their file system.
func (c *Container) makePlaces(root *os.File) error {
	dirs := []place{{"/", root, false}}
	defer func() {
		for _, d := range dirs[1:] {
			d.dir.Close()
		}
	}()
	for i := range c.Spec.Mounts {
		m := &c.Spec.Mounts[i]
		at, err := canonical(root, m.Destination)
		if err != nil {
			return fmt.Errorf("mounts %s: %w", m.Destination, err)
		}
		over := above(dirs, at)
		if m.Type != "cgroup" && !over.saved {
			if err := c.makePlace(over, at, m); err != nil {
				return fmt.Errorf("make the place of the mount %s: %w", m.Destination, err)
			}
		}
		p := place{at: at, saved: over.saved || !isBind(m)}
		if isBind(m) && !over.saved {
			if p.dir, err = openSource(c.hostPath(m.Source)); err != nil {
				return fmt.Errorf("mounts %s: %w", m.Destination, err)
			}
		}
		if p.dir == nil {
			p.dir, p.saved = emptyFile(), true
		}
		dirs = append(dirs, p)
	}
	return nil
}

// A place is a mount point, and what is mounted there.
type place struct {
	at    string
	dir   *os.File // of a bind mount, or the root file system
	saved bool     // what is in it is of the checkpoint
}

// emptyFile stands for a mount that nothing is made in.
func emptyFile() *os.File { return os.NewFile(^uintptr(0), "") }

// above finds the last mount that a path is in.
func above(dirs []place, path string) place {
	found := dirs[0]
	for _, d := range dirs {
		if d.at == "/" || strings.HasPrefix(path, d.at+"/") {
			found = d
		}
	}
	return found
}

// openSource opens a directory that is bound; nil for a file.
func openSource(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// makePlace makes one mount point: a directory, or a file for the bind mount of a file.
func (c *Container) makePlace(over place, at string, m *specs.Mount) error {
	rel := strings.TrimPrefix(strings.TrimPrefix(at, over.at), "/")
	if rel == "" {
		return nil
	}
	top := int(over.dir.Fd())
	if fd, err := openIn(top, rel, unix.O_PATH); err == nil {
		return unix.Close(fd)
	}
	dir, err := makeDirectories(top, filepath.Dir(rel))
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	name := filepath.Base(rel)
	if isBind(m) {
		info, err := os.Stat(c.hostPath(m.Source))
		if err != nil {
			return err
		}
		if !info.IsDir() {
			fd, err := unix.Openat(dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
			if err != nil {
				return &os.PathError{Op: "create", Path: at, Err: err}
			}
			return unix.Close(fd)
		}
	}
	if err := unix.Mkdirat(dir, name, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return &os.PathError{Op: "mkdir", Path: at, Err: err}
	}
	return nil
}

// makeDirectories makes what is missing of a path, element by element, and opens the last one. Nothing leads out of the top.
func makeDirectories(top int, path string) (int, error) {
	fd, err := openIn(top, "/", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil || path == "." || path == "/" {
		return fd, err
	}
	done := ""
	for element := range strings.SplitSeq(path, "/") {
		done = filepath.Join(done, element)
		next, err := openIn(top, done, unix.O_PATH|unix.O_DIRECTORY)
		if errors.Is(err, unix.ENOENT) {
			if err = unix.Mkdirat(fd, element, 0o755); err == nil || errors.Is(err, unix.EEXIST) {
				next, err = openIn(top, done, unix.O_PATH|unix.O_DIRECTORY)
			}
		}
		unix.Close(fd)
		if err != nil {
			return -1, &os.PathError{Op: "mkdir", Path: done, Err: err}
		}
		fd = next
	}
	return fd, nil
}
