// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cachedDirs is how many directories stay open between entries. Archives are written depth first: a few are enough.
const cachedDirs = 16

// tree is the directory that a layer grows in. Every path is resolved by the kernel inside that directory
// (openat2, RESOLVE_IN_ROOT): a symlink of the layer can lead anywhere in the layer and nowhere else.
type tree struct {
	root *os.File
	// dirs are open directories, the latest first. Creating an entry changes its directory's mtime, so each keeps the times
	// that it had when it was opened and gets them back when it is closed.
	dirs []openDir
	// onMade is told of each directory that is made because an entry below it needs it; anew: where the layer removes what is below.
	onMade func(realPath string, anew bool) error
}

type openDir struct {
	path  string
	fd    int // O_PATH
	times [2]unix.Timespec
}

// clean turns an archive's name into a path from the root: "" is the root itself. ".." at the root stays at the root.
func clean(name string) (string, error) {
	if strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("%w: NUL in the name %q", ErrFormat, name)
	}
	p := path.Clean("/" + name)[1:]
	if len(p) > maxPath {
		return "", fmt.Errorf("%w: a name of %d bytes", ErrLimit, len(p))
	}
	for rest := p; rest != ""; {
		var part string
		if part, rest, _ = strings.Cut(rest, "/"); len(part) > maxName {
			return "", fmt.Errorf("%w: a path component of %d bytes", ErrLimit, len(part))
		}
	}
	return p, nil
}

// split is path.Split without the slash: "a/b/c" gives "a/b" and "c".
func split(p string) (dir, base string) {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i], p[i+1:]
	}
	return "", p
}

func (t *tree) open(p string, flags int) (int, error) {
	if p == "" {
		p = "."
	}
	return retry(func() (int, error) {
		return unix.Openat2(int(t.root.Fd()), p, &unix.OpenHow{
			Flags:   uint64(flags | unix.O_CLOEXEC),
			Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
		})
	})
}

// retry repeats f while the kernel asks for it: EINTR, and EAGAIN from openat2 when something was renamed meanwhile.
func retry(f func() (int, error)) (n int, err error) {
	for range 100 {
		if n, err = f(); !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return n, err
		}
	}
	return n, err
}

// dir returns the open directory p, making it and its parents if they are missing. The fd is the tree's and
// stays open until trim or flush.
func (t *tree) dir(p string) (int, error) {
	for i := range t.dirs {
		if t.dirs[i].path == p {
			d := t.dirs[i]
			copy(t.dirs[1:i+1], t.dirs[:i])
			t.dirs[0] = d
			return d.fd, nil
		}
	}
	fd, err := t.open(p, unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		if err = t.makeImplied(p, 0); err == nil {
			fd, err = t.open(p, unix.O_PATH|unix.O_DIRECTORY)
		}
	}
	if err != nil {
		return -1, fmt.Errorf("open directory %q: %w", p, err)
	}
	times, err := timesOf(fd)
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("stat %q: %w", p, err)
	}
	t.dirs = slices.Insert(t.dirs, 0, openDir{path: p, fd: fd, times: times})
	return fd, nil
}

// trim closes the directories that were not used lately. Between two trims every fd that dir returned stays open.
func (t *tree) trim() error { return t.closeFrom(min(cachedDirs, len(t.dirs))) }

// flush closes all directories. It must come before a directory is removed or replaced: a cached fd would
// go on naming the old one.
func (t *tree) flush() error { return t.closeFrom(0) }

func (t *tree) closeFrom(n int) error {
	var first error
	for _, d := range t.dirs[n:] {
		err := setTimes(d.fd, d.times)
		unix.Close(d.fd)
		if err != nil && first == nil {
			first = fmt.Errorf("set times of %q: %w", d.path, err)
		}
	}
	t.dirs = t.dirs[:n]
	return first
}

// maxSymlinks is the kernel's own limit for one path (MAXSYMLINKS).
const maxSymlinks = 40

// makeImplied makes the directory p and its missing parents, as root's and 0755, with the time 0 so that the same layer always
// gives the same tree.
func (t *tree) makeImplied(p string, depth int) error {
	if depth > maxSymlinks {
		return unix.ELOOP
	}
	parent, err := t.open("", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer func() { unix.Close(parent) }()
	for end := 0; end < len(p); end++ {
		start := end
		if i := strings.IndexByte(p[start:], '/'); i >= 0 {
			end = start + i
		} else {
			end = len(p)
		}
		link, err := t.implied(parent, p[start:end])
		if err != nil {
			return err
		}
		if link != "" {
			// A dangling symlink: the directory that it means is made, as for a process that is chrooted here.
			return t.makeImplied(linkTarget(p[:start], link)+p[end:], depth+1)
		}
		next, err := t.open(p[:end], unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		unix.Close(parent)
		parent = next
	}
	return nil
}

func linkTarget(dir, link string) string {
	if path.IsAbs(link) {
		return path.Clean(link)[1:]
	}
	return path.Clean("/" + dir + "/" + link)[1:]
}

// implied makes one directory of a path, unless there is one. For a symlink that leads nowhere it returns the target.
func (t *tree) implied(parent int, name string) (link string, err error) {
	var st unix.Stat_t
	err = unix.Fstatat(parent, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return "", t.mkdirImplied(parent, name, false)
	case err != nil:
		return "", err
	case isWhiteout(&st):
		return "", t.mkdirAnew(parent, name)
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return "", nil
	case st.Mode&unix.S_IFMT != unix.S_IFLNK:
		return "", unix.ENOTDIR
	}
	if t.leadsToDir(parent, name) {
		return "", nil
	}
	return readlinkat(parent, name)
}

// leadsToDir says whether the symlink name in parent leads to a directory when it is resolved inside the tree.
func (t *tree) leadsToDir(parent int, name string) bool {
	p, err := t.realPath(parent)
	if err != nil {
		return false
	}
	fd, err := t.open(path.Join(p, name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// mkdirAnew makes a directory in place of a whiteout: what is below does not show in it.
func (t *tree) mkdirAnew(parent int, name string) error {
	if err := unix.Unlinkat(parent, name, 0); err != nil {
		return err
	}
	if err := t.mkdirImplied(parent, name, true); err != nil {
		return err
	}
	return setOpaque(parent, name)
}

// mkdirImplied makes a directory with the attributes of those that nobody lists.
func (t *tree) mkdirImplied(parent int, name string, anew bool) error {
	if err := t.mkdirPlain(parent, name); err != nil {
		return err
	}
	p, err := t.realPath(parent)
	if err != nil {
		return err
	}
	return t.onMade(path.Join(p, name), anew)
}

func (t *tree) mkdirPlain(parent int, name string) error {
	times, err := timesOf(parent)
	if err != nil {
		return err
	}
	if err := mkdir(parent, name, 0o755); err != nil {
		return err
	}
	if err := unix.Fchownat(parent, name, 0, 0, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err // a setgid parent hands down its group
	}
	if err := unix.UtimesNanoAt(parent, name, make([]unix.Timespec, 2), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	return setTimes(parent, times)
}

// realPath is where an open directory really lies in the tree, whatever symlinks led to it.
func (t *tree) realPath(fd int) (string, error) {
	root, err := readlinkat(unix.AT_FDCWD, procFD(int(t.root.Fd())))
	if err != nil {
		return "", err
	}
	p, err := readlinkat(unix.AT_FDCWD, procFD(fd))
	if err != nil {
		return "", err
	}
	if p == root {
		return "", nil
	}
	rel, ok := strings.CutPrefix(p, strings.TrimSuffix(root, "/")+"/")
	if !ok {
		return "", fmt.Errorf("%q is not in %q", p, root)
	}
	return rel, nil
}

func procFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// mkdir makes a directory with exactly this mode, whatever the umask is.
func mkdir(parent int, name string, mode uint32) error {
	if err := unix.Mkdirat(parent, name, mode); err != nil {
		return err
	}
	// The directory is new and nobody else writes here, so following is no question.
	return unix.Fchmodat(parent, name, mode, 0)
}

func readlinkat(dir int, name string) (string, error) {
	buf := make([]byte, maxPath+1)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

func timesOf(fd int) ([2]unix.Timespec, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	return [2]unix.Timespec{st.Atim, st.Mtim}, err
}

// setTimes works on O_PATH fds too (AT_EMPTY_PATH for utimensat: Linux 5.8).
func setTimes(fd int, times [2]unix.Timespec) error {
	return unix.UtimesNanoAt(fd, "", times[:], unix.AT_EMPTY_PATH)
}
