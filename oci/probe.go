// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"crisp/oci/cgroup"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// probeHost finds out what plans depend on.
func probeHost(m *cgroup.Manager) (Host, error) {
	h := Host{CgroupDir: m.Mode() != cgroup.V1, CgroupTasks: m.Hierarchies()}
	mounts, err := m.MountInfo()
	if err != nil {
		return Host{}, err
	}
	all, err := mountinfo.GetMountsFromReader(cgroupMounts(mounts), mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return Host{}, fmt.Errorf("parse /proc/self/mountinfo: %w", err)
	}
	h.readCgroupMounts(all)
	h.AppArmor = readsY("/sys/module/apparmor/parameters/enabled")
	h.AppArmorDir = exists("/proc/self/attr/apparmor/exec")
	h.SELinux = exists("/sys/fs/selinux/enforce")
	h.NoSetattr = lacksSetattr()
	h.TimeOffsets = kernelAtLeast(6, 2)
	if h.Capabilities, err = ownCapabilities(); err != nil {
		return Host{}, err
	}
	h.probeUser()
	h.RaiseLimits = h.Capabilities&(1<<unix.CAP_SYS_RESOURCE) != 0 && !h.UserNamespace
	h.HardLimits = make(map[int]uint64, len(rlimits))
	for name, resource := range rlimits.all() {
		var l unix.Rlimit
		if err := unix.Prlimit(0, resource, nil, &l); err != nil {
			return Host{}, fmt.Errorf("read %s: %w", name, err)
		}
		h.HardLimits[resource] = l.Max
	}
	return h, nil
}

// lacksSetattr asks for a change of no file. Attributes are looked at before that.
func lacksSetattr() bool {
	attr := unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_NOSYMFOLLOW}
	switch err := unix.MountSetattr(-1, "", unix.AT_EMPTY_PATH, &attr); err {
	case unix.ENOSYS, unix.EINVAL:
		return true
	case unix.EPERM: // by who may not mount
		return !kernelAtLeast(5, 14)
	}
	return false
}

// initialUserNamespace is the inode number of the host's user namespace (PROC_USER_INIT_INO of include/linux/proc_ns.h).
const initialUserNamespace = 0xEFFFFFFD

// probeUser finds out who this is.
func (h *Host) probeUser() {
	h.Rootless = h.Capabilities&(1<<unix.CAP_SYS_ADMIN) == 0
	h.MapsIDs = h.Capabilities&(1<<unix.CAP_SETUID) != 0 && h.Capabilities&(1<<unix.CAP_SETGID) != 0
	h.UID, h.GID = uint32(os.Geteuid()), uint32(os.Getegid())
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/user", &st); err == nil && st.Ino != initialUserNamespace {
		h.UserNamespace = true
		h.Rootless = h.Rootless || !ownsMounts(st.Ino)
		b, err := os.ReadFile("/proc/self/setgroups")
		h.GroupsDenied = err == nil && strings.HasPrefix(string(b), "deny")
	}
	if !h.Rootless && !h.UserNamespace {
		return
	}
	b, _ := os.ReadFile("/proc/self/cgroup")
	for i := range h.Hierarchies {
		o := &h.Hierarchies[i]
		o.Own, _ = cgroup.PathIn(string(b), o.Controllers[0])
	}
}

// ownsMounts says whether our mount namespace belongs to our user namespace, in which alone our rights hold.
func ownsMounts(user uint64) bool {
	f, err := os.Open("/proc/self/ns/mnt")
	if err != nil {
		return false
	}
	defer f.Close()
	owner, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_USERNS)
	if err != nil { // EPERM: it is an ancestor of ours
		return false
	}
	defer unix.Close(owner)
	var st unix.Stat_t
	return unix.Fstat(owner, &st) == nil && st.Ino == user
}

// cgroupMounts leaves of /proc/self/mountinfo the lines that may be of cgroup file systems.
func cgroupMounts(all []byte) io.Reader {
	some := make([]byte, 0, len(all))
	for line := range bytes.Lines(all) {
		if bytes.Contains(line, []byte(" - cgroup")) {
			some = append(some, line...)
		}
	}
	return bytes.NewReader(some)
}

// readCgroupMounts takes over the mounts of the cgroup file systems below /sys/fs/cgroup, the first of each. Elsewhere are those of
// other containers.
func (h *Host) readCgroupMounts(all []*mountinfo.Info) {
	for _, m := range all {
		if m.Mountpoint != "/sys/fs/cgroup" && !strings.HasPrefix(m.Mountpoint, "/sys/fs/cgroup/") {
			continue
		}
		if m.FSType == "cgroup2" {
			if h.UnifiedMount == "" {
				h.UnifiedMount = m.Mountpoint
			}
			continue
		}
		controllers := cgroupControllers(m.VFSOptions)
		known := func(o Hierarchy) bool { return slices.Equal(o.Controllers, controllers) }
		if len(controllers) > 0 && !slices.ContainsFunc(h.Hierarchies, known) {
			h.Hierarchies = append(h.Hierarchies, Hierarchy{Path: m.Mountpoint, Controllers: controllers})
		}
	}
}

// cgroupControllers takes the controllers from the options of a cgroup v1 file system: "rw,cpu,cpuacct", "rw,xattr,name=systemd".
func cgroupControllers(options string) []string {
	notControllers := []string{"rw", "ro", "xattr", "noprefix", "clone_children", "none", "favordynmods", "cpuset_v2_mode", "seclabel"}
	return slices.DeleteFunc(strings.Split(options, ","), func(o string) bool {
		return o == "" || slices.Contains(notControllers, o) || strings.HasPrefix(o, "release_agent=")
	})
}

// kernelAtLeast compares the kernel's version, for what cannot be found out by trying.
func kernelAtLeast(major, minor int) bool {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return false
	}
	first, rest, _ := strings.Cut(unix.ByteSliceToString(uts.Release[:]), ".")
	second := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	x, err1 := strconv.Atoi(first)
	y, err2 := strconv.Atoi(second)
	if err1 != nil || err2 != nil {
		return false
	}
	return x > major || x == major && y >= minor
}

func readsY(path string) bool {
	b, err := os.ReadFile(path)
	return err == nil && strings.HasPrefix(string(b), "Y")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ownCapabilities are the permitted capabilities of this process.
func ownCapabilities() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("capget: %w", err)
	}
	return uint64(data[0].Permitted) | uint64(data[1].Permitted)<<32, nil
}

// inode names a file of any file system.
type inode struct{ dev, ino uint64 }

// hostNamespaces are the daemon's own namespaces. They are read once, at start unless
// Config.Lazy: later a thread may be in another for a moment.
func hostNamespaces() (map[inode]bool, error) {
	all := map[inode]bool{}
	for _, name := range []string{"net", "ipc", "uts", "user"} {
		var st unix.Stat_t
		if err := unix.Stat("/proc/self/ns/"+name, &st); err != nil {
			return nil, fmt.Errorf("/proc/self/ns/%s: %w", name, err)
		}
		all[inode{st.Dev, st.Ino}] = true
	}
	return all, nil
}

// isHosts says whether a namespace is one of the daemon's own, or may be.
func (r *Runtime) isHosts(st *unix.Stat_t) bool {
	all, err := r.hostNamespaces()
	return err != nil || all[inode{st.Dev, st.Ino}]
}

// openProc makes a procfs that is mounted nowhere, so that nothing can be mounted over a file of it.
//
// Who may not make one has the user's own /proc, in which no path that is used may cross a mount.
func openProc() (*os.File, error) {
	f, err := newProc()
	if errors.Is(err, unix.EPERM) {
		f, err = os.OpenFile("/proc", unix.O_PATH|unix.O_DIRECTORY, 0)
	}
	if err != nil {
		return nil, err
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC {
		f.Close()
		return nil, errors.New("not a procfs")
	}
	return f, nil
}

func newProc() (*os.File, error) {
	fs, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, os.NewSyscallError("fsconfig", err)
	}
	const attributes = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attributes)
	if err != nil {
		return nil, os.NewSyscallError("fsmount", err)
	}
	return os.NewFile(uintptr(fd), "proc"), nil
}
