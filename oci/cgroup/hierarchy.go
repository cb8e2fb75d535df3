// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"fmt"
	"os"
	"path"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A hierarchy is one mounted tree of cgroups. Its directory is opened, and asked for its controllers, when that is first needed: most
// commands of crisp-oci use one hierarchy, or none.
type hierarchy struct {
	mount
	asks bool // v2, and the only one: the root's cgroup.controllers tells what it has

	asked sync.Once  // guards controllers, where asks
	mu    sync.Mutex // guards root
	root  *os.File   // O_PATH of the mount point; every access starts from it. nil: not opened yet
}

// fd returns the root's.
func (h *hierarchy) fd() (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.root == nil {
		fd, err := unix.Open(h.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, &os.PathError{Op: "open", Path: h.dir, Err: err}
		}
		h.root = os.NewFile(uintptr(fd), h.dir)
	}
	return int(h.root.Fd()), nil
}

func (h *hierarchy) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.root == nil {
		return nil
	}
	return h.root.Close()
}

// available returns the hierarchy's controllers.
func (h *hierarchy) available() []string {
	if h.asks {
		h.asked.Do(func() {
			text, _ := h.read("cgroup.controllers") // without an answer there are none, and whoever wants one is told so
			h.controllers = strings.Fields(text)
		})
	}
	return h.controllers
}

// open opens a file below the root.
func (h *hierarchy) open(name string, flags int) (int, error) {
	root, err := h.fd()
	if err != nil {
		return -1, err
	}
	for {
		fd, err := unix.Openat(root, name, flags|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, &os.PathError{Op: "open", Path: path.Join(h.dir, name), Err: err}
		}
		return fd, nil
	}
}

// read returns the content of a small file.
func (h *hierarchy) read(name string) (string, error) {
	fd, err := h.open(name, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var b strings.Builder
	var buf [4096]byte
	for {
		n, err := unix.Read(fd, buf[:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return "", &os.PathError{Op: "read", Path: path.Join(h.dir, name), Err: err}
		case n == 0:
			return b.String(), nil
		}
		b.Write(buf[:n])
	}
}

// write writes each value with one call: that is how the kernel takes them.
func (h *hierarchy) write(name string, values ...string) error {
	fd, err := h.open(name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, v := range values {
		if err := writeOnce(fd, v); err != nil {
			return fmt.Errorf("write %q to %s: %w", v, path.Join(h.dir, name), err)
		}
	}
	return nil
}

func writeOnce(fd int, value string) error {
	for {
		_, err := unix.Write(fd, []byte(value))
		if err != unix.EINTR {
			return err
		}
	}
}

// mkdir makes the directory and, where they are missing, its parents. made is false when it was there.
func (h *hierarchy) mkdir(p string) (made bool, err error) {
	root, err := h.fd()
	if err != nil {
		return false, err
	}
	// A parent that is removed meanwhile is made again, a few times.
	for range 8 {
		err = unix.Mkdirat(root, p, 0o755)
		switch err {
		case nil:
			return true, nil
		case unix.EEXIST:
			return false, nil
		case unix.EINTR:
			continue
		case unix.ENOENT:
			parent := path.Dir(p)
			if parent == "." {
				break
			}
			made, err := h.mkdir(parent)
			if err == nil && made {
				err = h.prepare(parent)
			}
			if err != nil {
				return false, err
			}
			continue
		}
		break
	}
	return false, &os.PathError{Op: "mkdir", Path: path.Join(h.dir, p), Err: err}
}

// prepare makes a new directory fit for processes.
func (h *hierarchy) prepare(p string) error {
	if h.v2 {
		return nil
	}
	for _, c := range h.controllers {
		if c == "cpuset" {
			return h.fillCpuset(p)
		}
	}
	return nil
}

// fillCpuset copies the parent's CPUs and memory nodes, where there are none: a new v1 cpuset is empty, and no process can enter it.
func (h *hierarchy) fillCpuset(p string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := h.read(path.Join(p, file))
		if err != nil {
			return err
		}
		if strings.TrimSpace(value) != "" {
			continue
		}
		parent := path.Dir(p)
		value, err = h.read(path.Join(parent, file))
		if err != nil {
			return err
		}
		if strings.TrimSpace(value) == "" && parent != "." {
			if err := h.fillCpuset(parent); err != nil {
				return err
			}
			if value, err = h.read(path.Join(parent, file)); err != nil {
				return err
			}
		}
		if err := h.write(path.Join(p, file), strings.TrimSpace(value)); err != nil {
			return err
		}
	}
	return nil
}
