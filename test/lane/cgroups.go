// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// RemoveCgroups removes a cgroup in every hierarchy, with all below it; processes in it are killed.
func RemoveCgroups(name string) error {
	v1, err := filepath.Glob("/sys/fs/cgroup/*" + name)
	if err != nil {
		return err
	}
	var errs []error
	for _, root := range append(v1, "/sys/fs/cgroup"+name) {
		errs = append(errs, removeTree(root))
	}
	return errors.Join(errs...)
}

// removeTree removes a directory of a hierarchy. What is of none are plain files: programs make them where a hierarchy is expected
// but not mounted.
func removeTree(root string) error {
	var st unix.Statfs_t
	err := unix.Statfs(root, &st)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err == nil && st.Type != unix.CGROUP_SUPER_MAGIC && st.Type != unix.CGROUP2_SUPER_MAGIC {
		return os.RemoveAll(root)
	}
	var dirs []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := removeCgroup(dir); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroup kills what is in the cgroup until the kernel lets go of it: a killed process stays in it for a moment.
func removeCgroup(dir string) error {
	for limit := time.Now().Add(leakPatience); ; time.Sleep(time.Millisecond) {
		err := unix.Rmdir(dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if time.Now().After(limit) {
			return &os.PathError{Op: "rmdir", Path: dir, Err: err}
		}
		if err := killMembers(dir); err != nil {
			return err
		}
	}
}

func killMembers(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for field := range strings.FieldsSeq(string(data)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return err
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}
