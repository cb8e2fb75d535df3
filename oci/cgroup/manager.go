// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Mode says which versions of cgroups the host has mounted.
type Mode int

// The modes of a host.
const (
	V1     Mode = iota + 1 // controllers in v1 hierarchies
	Hybrid                 // as V1, with a v2 hierarchy beside them
	V2                     // one v2 hierarchy
)

func (m Mode) String() string {
	switch m {
	case V1:
		return "v1"
	case Hybrid:
		return "hybrid"
	case V2:
		return "v2"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// Config configures a Manager; the zero value is for production.
type Config struct {
	Root string       // where the hierarchies are mounted; "" is /sys/fs/cgroup
	Log  *slog.Logger // nil: slog.Default
	// Only are the hierarchies to work with, by the names of Manager.Hierarchies, and "unified"; nil: all. With none of them there are no
	// cgroups: what asks for limits is refused, all else goes well.
	Only []string
	// Driver makes cgroups whose paths have its form; nil: there are none.
	Driver Driver
	Lazy   bool // open a hierarchy when it is first wanted; a program that lives long finds out at once what it cannot open
}

// A Manager is the host's cgroup file systems. It is safe for concurrent use.
type Manager struct {
	hierarchies []*hierarchy // v2: the one; v1: in the order of mounts; hybrid: the unified one last
	unified     *hierarchy   // v2 or hybrid; nil: v1 only
	mode        Mode
	driver      Driver
	log         *slog.Logger
	buffers     sync.Pool // of *reader
	filters     filterCache

	mu        sync.Mutex // guards warned and mountInfo
	warned    map[string]bool
	mountInfo []byte // nil: not read yet
}

// New finds the mounted hierarchies. It opens none: that is done when one is needed.
func New(cfg Config) (*Manager, error) {
	if cfg.Root == "" {
		cfg.Root = "/sys/fs/cgroup"
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	m := &Manager{driver: cfg.Driver, log: cfg.Log, warned: map[string]bool{}}
	m.buffers.New = func() any { return newReader() }
	if cfg.Only != nil && len(cfg.Only) == 0 {
		m.mode = V1
		return m, nil
	}
	mounts, err := m.findMounts(cfg.Root)
	if err != nil {
		return nil, err
	}
	if cfg.Only != nil {
		mounts = slices.DeleteFunc(mounts, func(mnt mount) bool { return !slices.Contains(cfg.Only, mnt.name) })
	}
	for _, mnt := range mounts {
		h := &hierarchy{mount: mnt, asks: mnt.v2 && len(mounts) == 1}
		m.hierarchies = append(m.hierarchies, h)
		if h.v2 {
			m.unified = h
		}
	}
	switch {
	case len(m.hierarchies) == 0:
		return nil, fmt.Errorf("%s: no cgroup file system is mounted there", cfg.Root)
	case m.unified == nil:
		m.mode = V1
	case len(m.hierarchies) > 1:
		m.mode = Hybrid
	default:
		m.mode = V2
	}
	if cfg.Lazy {
		return m, nil
	}
	for _, h := range m.hierarchies {
		if _, err := h.fd(); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	return m, nil
}

// findMounts needs no look into the mounts where the root itself is a v2 hierarchy.
func (m *Manager) findMounts(root string) ([]mount, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
		return []mount{{dir: root, v2: true, name: "unified"}}, nil
	}
	text, err := m.MountInfo()
	if err != nil {
		return nil, err
	}
	return parseMounts(text, root), nil
}

// MountInfo is the text of /proc/self/mountinfo, as of the time when it was first wanted.
func (m *Manager) MountInfo() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mountInfo == nil {
		text, err := readMountInfo()
		if err != nil {
			return nil, err
		}
		m.mountInfo = text
	}
	return m.mountInfo, nil
}

// readMountInfo reads it in few pieces. It is some kilobytes long, and the kernel makes it anew for each.
func readMountInfo() ([]byte, error) {
	const path = "/proc/self/mountinfo"
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	b := make([]byte, 0, 16<<10)
	for {
		n, err := unix.Read(fd, b[len(b):cap(b)])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return b, nil
		}
		if b = b[:len(b)+n]; cap(b)-len(b) < 4<<10 {
			b = slices.Grow(b, cap(b))
		}
	}
}

// Close closes the manager's directory fds. Its cgroups are unusable then.
func (m *Manager) Close() error {
	var errs []error
	for _, h := range m.hierarchies {
		errs = append(errs, h.close())
	}
	return errors.Join(append(errs, m.filters.close())...)
}

// Mode says which versions of cgroups the host has mounted.
func (m *Manager) Mode() Mode { return m.mode }

// Hierarchies names the v1 hierarchies, in the order of Join.Tasks ("cpu", "memory", "name=systemd" …). It is empty on v2.
func (m *Manager) Hierarchies() []string {
	var names []string
	for _, h := range m.hierarchies {
		if !h.v2 {
			names = append(names, h.name)
		}
	}
	return names
}

// Open returns the handle of a cgroup that exists already; ErrNotFound when it does in no hierarchy.
func (m *Manager) Open(cgroupsPath string) (*Cgroup, error) {
	c, err := m.at(cgroupsPath)
	if err != nil {
		return nil, err
	}
	if len(m.hierarchies) == 0 {
		return c, nil
	}
	for _, h := range m.hierarchies {
		root, err := h.fd()
		if err == nil {
			err = unix.Faccessat(root, c.path, unix.F_OK, 0)
		}
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("cgroup %s: %w", c.Path(), err)
		}
	}
	return nil, fmt.Errorf("cgroup %s: %w", c.Path(), ErrNotFound)
}

// at returns the handle of a cgroup that may exist.
func (m *Manager) at(cgroupsPath string) (*Cgroup, error) {
	if !isUnit(cgroupsPath) {
		p, err := cleanPath(cgroupsPath)
		return &Cgroup{m: m, path: p}, err
	}
	if m.driver == nil {
		return nil, fmt.Errorf("cgroup %q: %w", cgroupsPath, ErrNoDriver)
	}
	u, err := m.driver.Unit(cgroupsPath)
	if err != nil {
		return nil, fmt.Errorf("cgroup %q: %w", cgroupsPath, err)
	}
	p, err := cleanPath(u.Directory)
	return &Cgroup{m: m, path: p, unit: &u}, err
}

// Directory is where a cgroupsPath is, below the root of each hierarchy, whether it exists or not.
func (m *Manager) Directory(cgroupsPath string) (string, error) {
	c, err := m.at(cgroupsPath)
	if err != nil {
		return "", err
	}
	return c.Path(), nil
}

// cleanPath makes the path relative to the hierarchies' roots. ".." cannot lead out of them.
func cleanPath(p string) (string, error) {
	clean := path.Clean("/" + p)[1:]
	if clean == "" || strings.ContainsAny(clean, "\x00\n") {
		return "", fmt.Errorf("cgroup path %q: %w", p, ErrInvalid)
	}
	return clean, nil
}

// controller finds the hierarchy of a controller; nil when the host does not have it.
func (m *Manager) controller(name string) *hierarchy {
	for _, h := range m.hierarchies {
		if slices.Contains(h.available(), name) {
			return h
		}
	}
	return nil
}

// version returns in which version the host has the controller; 0: it does not.
func (m *Manager) version(controller string) int {
	switch h := m.controller(controller); {
	case h == nil:
		return 0
	case h.v2:
		return 2
	}
	return 1
}

// warnOnce logs what would otherwise be logged for every container.
func (m *Manager) warnOnce(msg, object string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if key := msg + object; !m.warned[key] {
		m.warned[key] = true
		m.log.Warn(msg, "object", object)
	}
}

// A Cgroup is one cgroup, in all hierarchies. It holds no fds. It is safe for concurrent use.
type Cgroup struct {
	m    *Manager
	path string // relative to each root
	unit *Unit  // nil: it is our own
	held *held  // nil: nothing
}

// Path is the path below the root of each hierarchy.
func (c *Cgroup) Path() string { return "/" + c.path }
