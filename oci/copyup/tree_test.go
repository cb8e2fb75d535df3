// SPDX-License-Identifier: Apache-2.0

package copyup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var plenty = Limits{Entries: 1 << 20, Bytes: 1 << 30}

// target is a directory on a new tmpfs that is mounted nowhere.
func target(t *testing.T) *os.File {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("makes a tmpfs: needs root")
	}
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "target")
	t.Cleanup(func() { f.Close() })
	return f
}

func openDir(t *testing.T, dir string) *os.File {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), dir)
	t.Cleanup(func() { f.Close() })
	return f
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// look tells everything that is to be kept.
func look(t *testing.T, dir *os.File) string {
	t.Helper()
	var b strings.Builder
	root := fmt.Sprintf("/proc/self/fd/%d/", dir.Fd())
	must(t, filepath.Walk(root, func(p string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %o %d:%d %x %d.%d", strings.TrimPrefix(p, root), st.Mode, st.Uid, st.Gid, st.Rdev, st.Mtim.Sec, st.Mtim.Nsec)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %d %.20q", st.Size, data)
		case unix.S_IFLNK:
			l, _ := os.Readlink(p)
			b.WriteString(" -> " + l)
		}
		value := make([]byte, 256)
		for _, name := range []string{"security.capability", "trusted.x", "system.posix_acl_access"} {
			if n, err := unix.Lgetxattr(p, name, value); err == nil {
				fmt.Fprintf(&b, " %s=%x", name, value[:n])
			}
		}
		b.WriteString("\n")
		return nil
	}))
	return b.String()
}

func TestTreeIsCopiedWhole(t *testing.T) {
	dst := target(t)
	dir := t.TempDir()
	at := func(p string) string { return filepath.Join(dir, p) }
	must(t,
		os.MkdirAll(at("a/b"), 0o755), os.WriteFile(at("a/file"), []byte("content"), 0o600), os.Chown(at("a/file"), 5, 6), os.Chmod(at("a/file"), 0o4755|os.ModeSetuid),
		os.Symlink("/etc/passwd", at("a/link")), unix.Lchown(at("a/link"), 7, 8), unix.Mknod(at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		unix.Mkfifo(at("fifo"), 0o640), unix.Mknod(at("socket"), unix.S_IFSOCK|0o700, 0), os.WriteFile(at("empty"), nil, 0o444),
		os.Chmod(at("a/b"), 0o777|os.ModeSticky), os.Chown(at("a/b"), 1000, 1001), os.Chown(dir, 3, 4), os.Chmod(dir, 0o751),
		unix.Setxattr(at("empty"), "security.capability", []byte("\x01\x00\x00\x02\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0),
	)
	sparse, err := os.Create(at("sparse"))
	must(t, err, sparse.Truncate(64<<20))
	_, err = sparse.WriteAt([]byte("middle"), 32<<20)
	must(t, err, sparse.Close())
	old := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	for _, p := range []string{"a/b", "a/file", "a", "null", "empty", "sparse", "fifo", "socket", "."} {
		must(t, os.Chtimes(at(p), old, old))
	}
	src := openDir(t, dir)
	want := look(t, src)
	must(t, os.Chtimes(dir, old, old))
	must(t, Tree(src, dst, plenty))
	if got := look(t, dst); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	var st unix.Statfs_t
	must(t, unix.Fstatfs(int(dst.Fd()), &st))
	if used := int64(st.Blocks-st.Bfree) * st.Bsize; used > 1<<20 {
		t.Errorf("%d bytes used: holes were filled", used)
	}
}

func TestMountsBelowTheSourceAreNotFollowed(t *testing.T) {
	dst := target(t)
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "proc"), 0o755), os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	must(t, unix.Mount("tmpfs", filepath.Join(dir, "proc"), "tmpfs", 0, ""))
	t.Cleanup(func() { _ = unix.Unmount(filepath.Join(dir, "proc"), unix.MNT_DETACH) })
	must(t, os.WriteFile(filepath.Join(dir, "proc/secret"), nil, 0o644))
	must(t, Tree(openDir(t, dir), dst, plenty))
	if got := look(t, dst); strings.Contains(got, "secret") || !strings.Contains(got, "file") {
		t.Errorf("%s", got)
	}
}

func TestLimits(t *testing.T) {
	dst := target(t)
	dir := t.TempDir()
	for i := range 10 {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), make([]byte, 1000), 0o644))
	}
	for _, l := range []Limits{{Entries: 9, Bytes: 1 << 20}, {Entries: 10, Bytes: 9999}} {
		if err := Tree(openDir(t, dir), target(t), l); !errors.Is(err, ErrLimit) {
			t.Errorf("%+v: %v", l, err)
		}
	}
	must(t, Tree(openDir(t, dir), dst, Limits{Entries: 10, Bytes: 10000}))
	deep := t.TempDir()
	p := deep
	for range maxDepth + 2 {
		p += "/d"
		must(t, os.Mkdir(p, 0o755))
	}
	if err := Tree(openDir(t, deep), target(t), plenty); !errors.Is(err, ErrLimit) {
		t.Errorf("%d deep: %v", maxDepth+2, err)
	}
}

// TestRacingSourceDoesNotLeadOut exchanges entries of the source for symlinks to the host, FIFOs and devices all the time.
func TestRacingSourceDoesNotLeadOut(t *testing.T) {
	target(t) // skips without root
	host := t.TempDir()
	must(t, os.WriteFile(filepath.Join(host, "secret"), []byte("secret"), 0o644))
	dir := t.TempDir()
	at := func(p string) string { return filepath.Join(dir, p) }
	must(t, os.Mkdir(at("a"), 0o755), os.WriteFile(at("a/secret"), []byte("own"), 0o644), os.Symlink(host, at("b")),
		os.WriteFile(at("c"), []byte("own"), 0o644), unix.Mkfifo(at("d"), 0o666), os.WriteFile(at("e"), []byte("own"), 0o644),
		os.Symlink(filepath.Join(host, "secret"), at("f")))
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			for _, pair := range [][2]string{{"a", "b"}, {"c", "d"}, {"e", "f"}} {
				_ = unix.Renameat2(unix.AT_FDCWD, at(pair[0]), unix.AT_FDCWD, at(pair[1]), unix.RENAME_EXCHANGE)
			}
		}
	}()
	defer func() { stop.Store(true); <-done }()
	for range 200 {
		dst := target(t)
		err := Tree(openDir(t, dir), dst, plenty)
		if err != nil && !errors.Is(err, ErrChanged) && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EINVAL) {
			t.Fatal(err)
		}
		if got := look(t, dst); strings.Contains(got, "\"secret\"") {
			t.Fatalf("%s", got)
		}
		dst.Close()
	}
}
