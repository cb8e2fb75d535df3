// SPDX-License-Identifier: Apache-2.0

package isolate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const cgroupRoot = "/sys/fs/cgroup"

// HideUnified takes /sys/fs/cgroup/unified away, for crun refuses hosts with a hybrid hierarchy. The caller has a mount namespace
// of its own. On other hosts it does nothing.
//
// It makes another /sys/fs/cgroup with the hierarchies of version 1: below a mere unmount, crun would find the empty directory and
// leave plain files in it, which all mount namespaces share.
func HideUnified() error {
	var fs unix.Statfs_t
	if err := unix.Statfs(filepath.Join(cgroupRoot, "unified"), &fs); err != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	dir, err := os.MkdirTemp("", "crisp-cgroup-")
	if err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
		return errors.Join(fmt.Errorf("mount tmpfs on %s: %w", dir, err), os.Remove(dir))
	}
	if err := replaceRoot(dir); err != nil {
		return errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH), os.Remove(dir))
	}
	return os.Remove(dir)
}

// replaceRoot moves dir to where /sys/fs/cgroup was. What would only be covered would still stand in mountinfo.
func replaceRoot(dir string) error {
	if err := bindHierarchies(dir); err != nil {
		return err
	}
	if err := unix.Unmount(cgroupRoot, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", cgroupRoot, err)
	}
	if err := unix.Mount(dir, cgroupRoot, "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move %s to %s: %w", dir, cgroupRoot, err)
	}
	return nil
}

// bindHierarchies copies the entries of /sys/fs/cgroup: links, and directories that something is mounted on.
func bindHierarchies(dir string) error {
	entries, err := os.ReadDir(cgroupRoot)
	if err != nil {
		return err
	}
	for _, e := range entries {
		from, to := filepath.Join(cgroupRoot, e.Name()), filepath.Join(dir, e.Name())
		switch {
		case e.Name() == "unified":
		case e.Type()&os.ModeSymlink != 0:
			target, err := os.Readlink(from)
			if err != nil {
				return err
			}
			if err := os.Symlink(target, to); err != nil {
				return err
			}
		case e.IsDir():
			if err := os.Mkdir(to, 0o755); err != nil {
				return err
			}
			if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
				return fmt.Errorf("bind %s: %w", from, err)
			}
		}
	}
	return nil
}
