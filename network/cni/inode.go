// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"io/fs"
	"syscall"
)

// inode gives a file's inode and the time of its last change, which no program can set.
func inode(info fs.FileInfo) (ino uint64, ctime int64) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return st.Ino, st.Ctim.Nano()
}
