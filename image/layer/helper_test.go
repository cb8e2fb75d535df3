// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("unpacking needs root: chown, mknod, trusted.* attributes")
	}
}

// entry is one tar header with its content, in the shortest form that a table can have.
type entry struct {
	name    string
	typ     byte // 0: directory if the name ends with "/", else regular file
	mode    int64
	body    string
	link    string
	uid     int
	gid     int
	major   int64
	minor   int64
	mtime   int64
	records map[string]string
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.typ, Mode: e.mode, Size: int64(len(e.body)), Linkname: e.link, Uid: e.uid, Gid: e.gid,
			Devmajor: e.major, Devminor: e.minor, ModTime: time.Unix(e.mtime, 0), PAXRecords: e.records}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
			if strings.HasSuffix(e.name, "/") {
				h.Typeflag = tar.TypeDir
			}
		}
		if h.Mode == 0 {
			h.Mode = 0o644
			if h.Typeflag == tar.TypeDir {
				h.Mode = 0o755
			}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatalf("write header %q: %v", e.name, err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func openDirectory(t testing.TB) *os.File {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "fs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// apply unpacks entries and returns the tree as text, one line an entry.
func apply(t testing.TB, entries ...entry) (tree []string, sum Summary) {
	t.Helper()
	root := openDirectory(t)
	sum, err := Apply(t.Context(), root, bytes.NewReader(archive(t, entries...)), DefaultLimits())
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return list(t, root.Name()), sum
}

// list describes everything below dir: "type mode uid:gid path extras".
func list(t testing.TB, dir string) []string {
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
		if buf := make([]byte, 8); xattr(p, opaqueXattr, buf) == "y" {
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
		line = fmt.Sprintf("c %s %d:%d", line, unix.Major(st.Rdev), unix.Minor(st.Rdev))
	case unix.S_IFIFO:
		line = "p " + line
	}
	return line
}

func xattr(p, name string, buf []byte) string {
	n, err := unix.Lgetxattr(p, name, buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

func wantTree(t testing.TB, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("tree is\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
