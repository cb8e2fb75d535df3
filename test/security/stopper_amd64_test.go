// SPDX-License-Identifier: Apache-2.0

package security

import "golang.org/x/sys/unix"

// The calls that newer architectures have not.
func init() {
	for nr, name := range map[int]string{
		unix.SYS_OPEN: "open", unix.SYS_MKDIR: "mkdir", unix.SYS_STAT: "stat", unix.SYS_LSTAT: "lstat", unix.SYS_CHMOD: "chmod",
		unix.SYS_READLINK: "readlink", unix.SYS_MKNOD: "mknod", unix.SYS_SYMLINK: "symlink", unix.SYS_CHOWN: "chown",
	} {
		callNames[nr] = name
		pathArgument[nr] = 0
	}
}
