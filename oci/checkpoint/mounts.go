// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"crisp/oci/cgroup"
	"crisp/oci/checkpoint/criu"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A mountTable is the mounts of a container.
type mountTable []*mountinfo.Info

func readMounts(path string) (mountTable, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseMounts(f)
}

func parseMounts(r io.Reader) (mountTable, error) {
	all, err := mountinfo.GetMountsFromReader(r, nil)
	if err != nil {
		return nil, fmt.Errorf("mountinfo: %w", err)
	}
	return all, nil
}

// device identifies a file system.
type device struct{ major, minor int }

// singletons are file systems of which the kernel has one for each namespace: one that the host has mounted too is no bind mount.
var singletons = [...]string{"proc", "sysfs", "mqueue", "cgroup", "cgroup2"}

// external lists the mount points that show something of the host: those of a file system that the host has mounted as well. A part of one that is
// mounted in the container in whole is criu's.
func (t mountTable) external(host mountTable) []string {
	hosts := map[device]bool{}
	for _, m := range host {
		hosts[device{m.Major, m.Minor}] = true
	}
	var own mountTable
	var found []string
	for _, m := range t {
		switch {
		case m.Mountpoint == "/":
		case !hosts[device{m.Major, m.Minor}], m.Root == "/" && slices.Contains(singletons[:], m.FSType), m.FSType == "cgroup" || m.FSType == "cgroup2":
			own = append(own, m)
		case own.shows(m):
		default:
			found = append(found, m.Mountpoint)
		}
	}
	return found
}

// shows says whether a mount is a part of one of these.
func (t mountTable) shows(part *mountinfo.Info) bool {
	return slices.ContainsFunc(t, func(m *mountinfo.Info) bool {
		return m.Major == part.Major && m.Minor == part.Minor && (m.Root == "/" || strings.HasPrefix(part.Root+"/", m.Root+"/"))
	})
}

// dumpMounts are the external mounts for a dump: each stands for itself. v1's cgroups are bind mounts in a container without a cgroup namespace.
func (c *Container) dumpMounts() ([]criu.Pair, error) {
	mounts, err := readMounts(fmt.Sprintf("/proc/%d/mountinfo", c.Pid))
	if err != nil {
		return nil, err
	}
	host, err := readMounts("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var all []criu.Pair
	for _, path := range mounts.external(host) {
		all = append(all, criu.Pair{Key: path, Value: path})
	}
	if c.Cgroup.Version() != cgroup.V2 && !c.has(specs.CgroupNamespace) {
		for _, m := range mounts {
			if m.FSType == "cgroup" {
				all = append(all, criu.Pair{Key: m.Mountpoint, Value: m.Mountpoint})
			}
		}
	}
	return all, nil
}

// has says whether the container has a namespace of its own, or joins one.
func (c *Container) has(t specs.LinuxNamespaceType) bool {
	return c.Spec.Linux != nil && slices.ContainsFunc(c.Spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == t })
}

// restoreMounts are what stands for external mounts at a restore, by their mount points: the sources of bind mounts, and for what masks files
// the device. More than a checkpoint names do no harm.
func (c *Container) restoreMounts(root *os.File) ([]criu.Pair, error) {
	var all []criu.Pair
	for i := range c.Spec.Mounts {
		m := &c.Spec.Mounts[i]
		if !isBind(m) {
			if m.Type == "cgroup" {
				all = append(all, c.cgroupMounts(m)...)
			}
			continue
		}
		at, err := canonical(root, m.Destination)
		if err != nil {
			return nil, fmt.Errorf("mounts %s: %w", m.Destination, err)
		}
		all = append(all, criu.Pair{Key: at, Value: c.hostPath(m.Source)})
	}
	if l := c.Spec.Linux; l != nil {
		for _, path := range l.MaskedPaths {
			all = append(all, criu.Pair{Key: filepath.Clean(path), Value: os.DevNull})
		}
		for i := range l.Devices {
			all = append(all, criu.Pair{Key: l.Devices[i].Path, Value: l.Devices[i].Path})
		}
	}
	// Devices of a container with a user namespace are bind mounts too.
	for _, path := range [...]string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"} {
		all = append(all, criu.Pair{Key: path, Value: path})
	}
	return all, nil
}

// cgroupMounts are the bind mounts that a mount of v1's cgroups consists of.
func (c *Container) cgroupMounts(m *specs.Mount) []criu.Pair {
	if c.Cgroup.Version() == cgroup.V2 || c.has(specs.CgroupNamespace) {
		return nil
	}
	var all []criu.Pair
	for _, h := range c.Cgroup.Hierarchies() {
		if dir := c.Cgroup.Dir(h); dir != "" {
			all = append(all, criu.Pair{Key: filepath.Join(m.Destination, strings.TrimPrefix(h, "name=")), Value: dir})
		}
	}
	return all
}

func isBind(m *specs.Mount) bool {
	return m.Type == "bind" || slices.ContainsFunc(m.Options, func(o string) bool { return o == "bind" || o == "rbind" })
}

// hostPath is a path of the spec as the host has it.
func (c *Container) hostPath(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(c.Bundle, p)
}

// canonical is a path of the container without links, as far as it is there.
func canonical(root *os.File, path string) (string, error) {
	clean := filepath.Clean("/" + path)
	missing := ""
	for at := clean; ; at = filepath.Dir(at) {
		fd, err := openIn(int(root.Fd()), at, unix.O_PATH)
		if err == nil {
			here, err := pathOf(fd)
			unix.Close(fd)
			if err != nil {
				return "", err
			}
			top, err := pathOf(int(root.Fd()))
			if err != nil {
				return "", err
			}
			return filepath.Join("/", strings.TrimPrefix(here, top), missing), nil
		}
		if !errors.Is(err, unix.ENOENT) || at == "/" {
			return "", err
		}
		missing = filepath.Join(filepath.Base(at), missing)
	}
}

// openIn opens a path as one whose root is a directory. What links in it point at is below that too.
func openIn(root int, path string, flags uint64) (int, error) {
	return unix.Openat2(root, strings.TrimPrefix(path, "/")+map[bool]string{true: "."}[path == "/"], &unix.OpenHow{
		Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
}

func pathOf(fd int) (string, error) { return os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)) }
