// SPDX-License-Identifier: Apache-2.0

package copyup

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// attributes gives a directory or regular file the attributes of its source, in the one order that keeps them: the owner takes
// set-user-ID bits and capabilities away, and everything changes the times.
func attributes(in, out *os.File, st *unix.Stat_t) error {
	fd := int(out.Fd())
	if err := unix.Fchown(fd, int(st.Uid), int(st.Gid)); unbearable(err) {
		return os.NewSyscallError("chown", err)
	}
	if err := unix.Fchmod(fd, st.Mode&0o7777); err != nil {
		return os.NewSyscallError("chmod", err)
	}
	if err := extended(in, out); err != nil {
		return err
	}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(fd, "", times(st), unix.AT_EMPTY_PATH))
}

// plainAttributes is attributes for what cannot be opened.
func plainAttributes(dst *os.File, name string, st *unix.Stat_t) error {
	fd := int(dst.Fd())
	if err := unix.Fchownat(fd, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); unbearable(err) {
		return os.NewSyscallError("chown", err)
	}
	if err := unix.Fchmodat(fd, name, st.Mode&0o7777, 0); err != nil {
		return os.NewSyscallError("chmod", err)
	}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(fd, name, times(st), unix.AT_SYMLINK_NOFOLLOW))
}

func times(st *unix.Stat_t) []unix.Timespec { return []unix.Timespec{st.Atim, st.Mtim} }

// unbearable says whether a failed chown is an error: an owner whom the target's user namespace does not know stays behind
// (EOVERFLOW, EINVAL), and so does any other's where we are not root (EPERM).
func unbearable(err error) bool {
	return err != nil && !errors.Is(err, unix.EOVERFLOW) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EPERM)
}

func symlink(at, dst *os.File, name string, st *unix.Stat_t) error {
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(at.Fd()), "", target)
	if err != nil {
		return os.NewSyscallError("readlink", err)
	}
	if err := unix.Symlinkat(string(target[:n]), int(dst.Fd()), name); err != nil {
		return os.NewSyscallError("symlink", err)
	}
	if err := unix.Fchownat(int(dst.Fd()), name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); unbearable(err) {
		return os.NewSyscallError("chown", err)
	}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(int(dst.Fd()), name, times(st), unix.AT_SYMLINK_NOFOLLOW))
}

// extended copies extended attributes: ACLs, capabilities and those of users. Labels of security modules are the target's own, and
// overlay's are no part of what it shows.
func extended(in, out *os.File) error {
	list := make([]byte, 1<<16) // XATTR_LIST_MAX
	n, err := unix.Flistxattr(int(in.Fd()), list)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("listxattr", err)
	}
	value := []byte(nil)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		if !copied(name) {
			continue
		}
		if value == nil {
			value = make([]byte, 1<<16) // XATTR_SIZE_MAX
		}
		m, err := unix.Fgetxattr(int(in.Fd()), name, value)
		if errors.Is(err, unix.ENODATA) { // gone meanwhile
			continue
		}
		if err != nil {
			return &os.PathError{Op: "getxattr", Path: name, Err: err}
		}
		err = unix.Fsetxattr(int(out.Fd()), name, value[:m], 0)
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EINVAL) {
			return &os.PathError{Op: "setxattr", Path: name, Err: err}
		}
	}
	return nil
}

func copied(name string) bool {
	switch {
	case name == "security.capability", strings.HasPrefix(name, "system.posix_acl_"), strings.HasPrefix(name, "user."):
		return true
	case strings.HasPrefix(name, "trusted."):
		return !strings.HasPrefix(name, "trusted.overlay.")
	}
	return false
}
