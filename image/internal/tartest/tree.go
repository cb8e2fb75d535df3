// SPDX-License-Identifier: Apache-2.0

package tartest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// NeedRoot skips a test that changes owners, makes device nodes or mounts.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: chown, mknod, trusted.* attributes, mounts")
	}
}

// List describes everything below dir, one line an entry, sorted:
//
//	d usr 755 0:0 @1234 [opaque]     directory: path, mode, owner, mtime
//	f usr/x 644 0:0 @0 "content" [= usr/y]   a hard link names the first of its names
//	l lib 777 0:0 @0 -> usr/lib
//	c dev/null 666 0:0 @0 1:3
//	c gone 0 0:0 @T 0:0              a whiteout; nobody sees its time
//	p fifo 622 0:0 @0
func List(t testing.TB, dir string) []string {
	t.Helper()
	var lines []string
	inodes := map[uint64]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		lines = append(lines, describe(t, p, rel, inodes))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

func describe(t testing.TB, p, rel string, inodes map[uint64]string) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(p, &st); err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("%s %o %d:%d @%d", rel, st.Mode&0o7777, st.Uid, st.Gid, st.Mtim.Sec)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		line = "d " + line
		if Xattr(p, "trusted.overlay.opaque") == "y" {
			line += " opaque"
		}
	case unix.S_IFREG:
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		line = fmt.Sprintf("f %s %q", line, b)
		if first, ok := inodes[st.Ino]; ok {
			line += " = " + first
		} else {
			inodes[st.Ino] = rel
		}
	case unix.S_IFLNK:
		to, _ := os.Readlink(p)
		line = "l " + line + " -> " + to
	case unix.S_IFCHR, unix.S_IFBLK:
		if st.Rdev == 0 {
			line, _, _ = strings.Cut(line, "@")
			line += "@T"
		}
		line = fmt.Sprintf("c %s %d:%d", line, unix.Major(st.Rdev), unix.Minor(st.Rdev))
	case unix.S_IFIFO:
		line = "p " + line
	}
	return line
}

// Xattr is the attribute's value, "" if there is none.
func Xattr(path, name string) string {
	buf := make([]byte, 4096)
	n, err := unix.Lgetxattr(path, name, buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

// Want compares the lines of a tree, in any order.
func Want(t testing.TB, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("tree is\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
