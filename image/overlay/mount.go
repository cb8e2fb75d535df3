// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// MaxLayers is the kernel's limit (OVL_MAX_STACK).
const MaxLayers = 500

// Spec describes an overlay.
type Spec struct {
	// Lower are the layers' directories, the top one first. At least one; at least two without Dir (the kernel insists).
	Lower []string
	// Dir holds the directories "upper" and "work"; nil makes the overlay read-only.
	Dir *os.File
	// UserNS shifts the owners of everything in the lower layers as in this user namespace; nil leaves them.
	UserNS *os.File
	// Label is an SELinux context for all files, or "".
	Label string
	// Volatile makes the kernel never sync the upper layer: see the package's comment on durability.
	Volatile bool
}

// Mounter makes overlays. It remembers which of the kernel's ways work.
type Mounter struct {
	// Scratch is an empty directory, used as a mount point in mount namespaces that are thrown away.
	Scratch string

	// plain and mapped are the first way that may work, for layers as they are and for ID-mapped ones.
	plain, mapped atomic.Int32
}

// The ways, the preferred first.
const (
	byFD int32 = iota
	byProcFD
	byMount
)

// Mount makes the overlay and returns it detached.
func (m *Mounter) Mount(s Spec) (*os.File, error) {
	if len(s.Lower) > MaxLayers {
		return nil, fmt.Errorf("mount overlay: %d layers, the kernel takes %d", len(s.Lower), MaxLayers)
	}
	first := &m.plain
	if s.UserNS != nil {
		first = &m.mapped
	}
	for way := first.Load(); ; way++ {
		f, err := m.mountBy(way, s)
		if err == nil {
			first.Store(way)
			return f, nil
		}
		if way == byMount || !unknownTo(err) {
			return nil, fmt.Errorf("mount overlay of %d layers: %w", len(s.Lower), err)
		}
	}
}

// unknownTo says whether a kernel that does not know a way may answer so: EINVAL to most things, EBADF to O_PATH descriptors in
// FSCONFIG_SET_FD (before Linux 6.13), EOPNOTSUPP to any descriptor (before overlayfs knew the new mount calls, 6.5).
func unknownTo(err error) bool {
	for _, e := range []unix.Errno{unix.EINVAL, unix.EBADF, unix.EOPNOTSUPP, unix.ENOSYS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (m *Mounter) mountBy(way int32, s Spec) (*os.File, error) {
	if way == byMount {
		return m.mountOld(s)
	}
	layers, err := s.openLayers()
	if err != nil {
		return nil, err
	}
	defer closeAll(layers)
	return s.mountNew(way, layers)
}

// openLayers opens the lower directories, as ID-mapped clones if that is asked for.
func (s *Spec) openLayers() (layers []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(layers)
		}
	}()
	for _, dir := range s.Lower {
		if s.UserNS == nil {
			fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				return layers, fmt.Errorf("open layer %s: %w", dir, err)
			}
			layers = append(layers, os.NewFile(uintptr(fd), dir))
			continue
		}
		f, err := cloneMapped(dir, s.UserNS)
		if err != nil {
			return layers, err
		}
		layers = append(layers, f)
	}
	return layers, nil
}

// cloneMapped is a detached bind mount of dir with its owners shifted.
func cloneMapped(dir string, userNS *os.File) (*os.File, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("clone layer %s: %w", dir, err)
	}
	f := os.NewFile(uintptr(fd), dir)
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(userNS.Fd())}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		f.Close()
		return nil, fmt.Errorf("map owners of layer %s: %w", dir, err)
	}
	return f, nil
}

// setting is one fsconfig call: of a descriptor, a value, or neither, for a flag.
type setting struct {
	key, value string
	fd         *os.File
}

// options are the same on every way. index and metacopy would leave marks in the upper layer that tie it to exactly these
// lower directories; the node's defaults for them are a build option of its kernel.
func (s *Spec) options() []setting {
	o := []setting{{key: "index", value: "off"}, {key: "metacopy", value: "off"}}
	if s.Label != "" {
		o = append(o, setting{key: "context", value: s.Label})
	}
	if s.Volatile && s.Dir != nil {
		o = append(o, setting{key: "volatile"})
	}
	return o
}

// mountNew goes by fsopen, fsconfig and fsmount.
func (s *Spec) mountNew(way int32, layers []*os.File) (*os.File, error) {
	settings := []setting{{key: "source", value: "overlay"}}
	for _, l := range layers {
		settings = append(settings, setting{key: "lowerdir+", fd: l})
	}
	if s.Dir != nil {
		upper, work, err := s.openWritable()
		if err != nil {
			return nil, err
		}
		defer closeAll([]*os.File{upper, work})
		settings = append(settings, setting{key: "upperdir", fd: upper}, setting{key: "workdir", fd: work})
	}
	settings = append(settings, s.options()...)
	fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fsopen: %w", err)
	}
	ctx := os.NewFile(uintptr(fd), "fsopen overlay")
	defer ctx.Close()
	for _, o := range settings {
		if err := o.apply(fd, way); err != nil {
			return nil, fmt.Errorf("set %s: %w%s", o.key, err, kernelLog(fd))
		}
	}
	if err := unix.FsconfigCreate(fd); err != nil {
		return nil, fmt.Errorf("create: %w%s", err, kernelLog(fd))
	}
	attr := 0
	if s.Dir == nil {
		attr = unix.MOUNT_ATTR_RDONLY
	}
	mnt, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, attr)
	if err != nil {
		return nil, fmt.Errorf("fsmount: %w", err)
	}
	return os.NewFile(uintptr(mnt), "overlay"), nil
}

func (o setting) apply(fs int, way int32) error {
	switch {
	case o.fd == nil && o.value == "":
		return unix.FsconfigSetFlag(fs, o.key)
	case o.fd == nil:
		return unix.FsconfigSetString(fs, o.key, o.value)
	case way == byFD:
		return unix.FsconfigSetFd(fs, o.key, int(o.fd.Fd()))
	default:
		return unix.FsconfigSetString(fs, o.key, procFD(o.fd))
	}
}

func (s *Spec) openWritable() (upper, work *os.File, err error) {
	if upper, err = openAt(s.Dir, "upper"); err != nil {
		return nil, nil, err
	}
	if work, err = openAt(s.Dir, "work"); err != nil {
		upper.Close()
		return nil, nil, err
	}
	// The mark of an earlier volatile mount, which would forbid this one. Nobody mounts a container's directory after a reboot,
	// and until then the page cache is the truth.
	_ = unix.Unlinkat(int(work.Fd()), "work/incompat/volatile/dirty", 0)
	_ = unix.Unlinkat(int(work.Fd()), "work/incompat/volatile", unix.AT_REMOVEDIR)
	_ = unix.Unlinkat(int(work.Fd()), "work/incompat", unix.AT_REMOVEDIR)
	return upper, work, nil
}

func openAt(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s/%s: %w", dir.Name(), name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// kernelLog is what the kernel has to say about the last error: "e overlay: …" (fsopen(2)).
func kernelLog(fs int) string {
	var out strings.Builder
	for range 4 {
		b := make([]byte, 512)
		n, err := unix.Read(fs, b)
		if err != nil || n == 0 {
			break
		}
		out.WriteString(" (" + strings.TrimSpace(string(b[:n])) + ")")
	}
	return out.String()
}

func procFD(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
