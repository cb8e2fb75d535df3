// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"crisp/conmon"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// idMaps are the user namespaces that stand for mappings, by their text. Mounts with equal mappings share one.
type idMaps map[string]*os.File

func (m idMaps) close() {
	for _, f := range m {
		f.Close()
	}
}

// apply maps the owners that a detached mount shows (mount_setattr(2), MOUNT_ATTR_IDMAP).
func (m idMaps) apply(tree *os.File, q *IDMap) error {
	ns, err := m.namespace(q)
	if err != nil {
		return err
	}
	flags := uint(unix.AT_EMPTY_PATH)
	if q.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns.Fd())}
	err = unix.MountSetattr(int(tree.Fd()), "", flags, &attr)
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%s: %w: its file system (%s) does not support it on this kernel", tree.Name(), ErrIDMap, fsName(tree))
	}
	if err != nil {
		return &os.PathError{Op: "mount_setattr", Path: tree.Name(), Err: err}
	}
	return nil
}

// fsName is what the error says of the file system of a mount.
func fsName(f *os.File) string {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return "unknown"
	}
	if name, ok := fsNames.find(int64(st.Type)); ok {
		return name
	}
	return fmt.Sprintf("magic number %#x", st.Type)
}

// fsNames are the file systems that are met under volumes (include/uapi/linux/magic.h).
var fsNames = table[int64, string]{
	{unix.NFS_SUPER_MAGIC, "nfs"}, {unix.FUSE_SUPER_MAGIC, "fuse"}, {unix.OVERLAYFS_SUPER_MAGIC, "overlay"}, {unix.TMPFS_MAGIC, "tmpfs"},
	{unix.EXT4_SUPER_MAGIC, "ext4"}, {unix.XFS_SUPER_MAGIC, "xfs"}, {unix.BTRFS_SUPER_MAGIC, "btrfs"}, {unix.PROC_SUPER_MAGIC, "proc"},
	{unix.SYSFS_MAGIC, "sysfs"}, {unix.CEPH_SUPER_MAGIC, "ceph"}, {unix.SMB2_SUPER_MAGIC, "smb"}, {unix.V9FS_MAGIC, "9p"},
}

// namespace returns a user namespace with the mappings.
func (m idMaps) namespace(q *IDMap) (*os.File, error) {
	key := idMapText(q.UIDs) + "\x00" + idMapText(q.GIDs)
	if f, ok := m[key]; ok {
		return f, nil
	}
	f, err := newUserNamespace(q, false)
	if err != nil {
		return nil, fmt.Errorf("user namespace for mapped IDs: %w", err)
	}
	m[key] = f
	return f, nil
}

// newUserNamespace makes a user namespace by a short-lived process: the pause program, which needs nothing. Who may not write the mappings
// has the tools do it.
func newUserNamespace(q *IDMap, byTools bool) (*os.File, error) {
	program, err := conmon.Binary()
	if err != nil {
		return nil, err
	}
	cmd := exec.Cmd{
		Path: "/proc/self/fd/3", Args: []string{"pause"}, ExtraFiles: []*os.File{program},
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, Setsid: true},
	}
	if !byTools {
		a := cmd.SysProcAttr
		a.UidMappings, a.GidMappings, a.GidMappingsEnableSetgroups = sysMappings(q.UIDs), sysMappings(q.GIDs), true
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // "signal: killed"
	}()
	if byTools {
		if err := mapByTools(cmd.Process.Pid, q); err != nil {
			return nil, err
		}
	}
	return os.Open(fmt.Sprintf("/proc/%d/ns/user", cmd.Process.Pid))
}

// mapByTools has the set-user-ID programs of shadow, which know /etc/subuid and /etc/subgid, write the mappings of a user namespace.
func mapByTools(pid int, q *IDMap) error {
	for _, t := range []struct {
		name string
		ids  []specs.LinuxIDMapping
	}{{"newuidmap", q.UIDs}, {"newgidmap", q.GIDs}} {
		args := []string{itoa(pid)}
		for _, m := range t.ids {
			args = append(args, itoa(m.ContainerID), itoa(m.HostID), itoa(m.Size))
		}
		if out, err := exec.Command(t.name, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w: %s", t.name, strings.Join(args[1:], " "), err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

func sysMappings(all []specs.LinuxIDMapping) []syscall.SysProcIDMap {
	out := make([]syscall.SysProcIDMap, 0, len(all))
	for _, m := range all {
		out = append(out, syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)})
	}
	return out
}
