// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// block is the unit in which disk usage is estimated.
const block = 4096

func permissions(h *tar.Header) uint32 { return uint32(h.Mode) & 0o7777 }

// entryTimes are the access and modification time of the entry; archives seldom have the former.
func entryTimes(h *tar.Header) [2]unix.Timespec {
	m := timespec(h.ModTime)
	if h.AccessTime.IsZero() {
		return [2]unix.Timespec{m, m}
	}
	return [2]unix.Timespec{timespec(h.AccessTime), m}
}

func timespec(t time.Time) unix.Timespec {
	if t.IsZero() || t.Unix() > math.MaxUint32*4 || t.Unix() < math.MinInt32 {
		return unix.Timespec{}
	}
	return unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

// setAttributes sets all but the times of an open file or directory. The order matters: chown clears setuid and capabilities.
func (a *applier) setAttributes(fd int, h *tar.Header) error {
	if err := unix.Fchown(fd, h.Uid, h.Gid); err != nil {
		return fmt.Errorf("chown %d:%d: %w", h.Uid, h.Gid, err)
	}
	if err := unix.Fchmod(fd, permissions(h)); err != nil {
		return fmt.Errorf("chmod %o: %w", permissions(h), err)
	}
	if len(h.PAXRecords) == 0 {
		return nil
	}
	return a.xattrs(fd, h)
}

// directory makes a directory. Over a directory it keeps the content and replaces the attributes; over anything else that stood
// there in this layer (a file, a whiteout) it starts anew, hiding what is below, as if the layer had been applied serially.
func (a *applier) directory(dir, base string, h *tar.Header) error {
	parent, err := a.tree.dir(dir)
	if err != nil {
		return err
	}
	existed := false
	if err = unix.Mkdirat(parent, base, 0o700); errors.Is(err, unix.EEXIST) {
		existed, err = a.directoryOver(parent, base)
	}
	if err != nil {
		return fmt.Errorf("mkdir: %w", err)
	}
	fd, err := unix.Openat(parent, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer unix.Close(fd)
	if err := a.notImplied(parent, base); err != nil {
		return err
	}
	if existed {
		if err := a.resetDirectory(fd); err != nil {
			return err
		}
	} else {
		a.sum.Inodes++
		a.sum.Bytes += block
	}
	if err := a.setAttributes(fd, h); err != nil {
		return err
	}
	return setTimes(fd, entryTimes(h))
}

func (a *applier) directoryOver(parent int, base string) (existed bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstatat(parent, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return true, nil
	}
	if err := a.replace(parent, base); err != nil {
		return false, err
	}
	if err := unix.Mkdirat(parent, base, 0o700); err != nil {
		return false, err
	}
	return false, setOpaque(parent, base)
}

// resetDirectory prepares a directory for its second entry. No open directory may put its old times back afterwards.
func (a *applier) resetDirectory(fd int) error {
	if err := a.tree.flush(); err != nil {
		return err
	}
	return clearXattrs(fd)
}

// file makes a regular file and copies its content.
func (a *applier) file(dir, base string, h *tar.Header, r io.Reader) error {
	if h.Size > a.lim.Bytes-a.content {
		return fmt.Errorf("%w: more than %d bytes of file content", ErrLimit, a.lim.Bytes)
	}
	a.content += h.Size
	parent, err := a.tree.dir(dir)
	if err != nil {
		return err
	}
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	var fd int
	err = a.create(parent, base, func() (err error) {
		fd, err = unix.Openat(parent, base, flags, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := a.copy(fd, r, isSparse(h)); err != nil {
		return err
	}
	if err := a.setAttributes(fd, h); err != nil {
		return err
	}
	return setTimes(fd, entryTimes(h))
}

// create runs make, and once more after removing what an earlier entry of the same name left: the last one wins.
func (a *applier) create(parent int, base string, make func() error) error {
	err := make()
	if errors.Is(err, unix.EEXIST) {
		if err = a.replace(parent, base); err == nil {
			err = make()
		}
	}
	if err == nil {
		a.sum.Inodes++
	}
	return err
}

func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// copy writes the content. In a sparse file's content whole blocks of zeros become holes again.
func (a *applier) copy(fd int, r io.Reader, sparse bool) error {
	var size int64
	for {
		n, err := fill(r, a.buf)
		if werr := a.writeOut(fd, a.buf[:n], sparse); werr != nil {
			return fmt.Errorf("write: %w", werr)
		}
		size += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return archiveError(err)
		}
	}
	if sparse {
		return unix.Ftruncate(fd, size)
	}
	return nil
}

// fill is io.ReadFull that leaves the reader's error as it is: io.EOF ends an entry, io.ErrUnexpectedEOF a torn archive.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	return n, err
}

func (a *applier) writeOut(fd int, b []byte, sparse bool) error {
	for len(b) > 0 {
		n := len(b)
		if sparse {
			n = min(n, block)
			if allZero(b[:n]) {
				if _, err := unix.Seek(fd, int64(n), unix.SEEK_CUR); err != nil {
					return err
				}
				b = b[n:]
				continue
			}
		}
		w, err := retry(func() (int, error) { return unix.Write(fd, b[:n]) })
		if err != nil {
			return err
		}
		a.sum.Bytes += uint64(w+block-1) / block * block
		b = b[w:]
	}
	return nil
}

var zeros [block]byte

func allZero(b []byte) bool { return bytes.Equal(b, zeros[:len(b)]) }

// hardlink links to a file of this layer, or notes that the file is in a lower one.
func (a *applier) hardlink(dir, base string, h *tar.Header) error {
	target, err := clean(h.Linkname)
	if err != nil {
		return err
	}
	if target == "" || hidden(target) {
		return fmt.Errorf("%w: hard link to %q", ErrFormat, shorten(h.Linkname))
	}
	tdir, tbase := split(target)
	tparent, err := a.tree.open(tdir, unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) {
		return a.linkBelow(dir, base, target)
	}
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", shorten(target), err)
	}
	defer unix.Close(tparent)
	var st unix.Stat_t
	err = unix.Fstatat(tparent, tbase, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return a.linkBelow(dir, base, target)
	case err == nil && isWhiteout(&st) && a.below[target] != "":
		return a.linkBelow(dir, base, a.below[target])
	case err == nil && (isWhiteout(&st) || st.Mode&unix.S_IFMT == unix.S_IFDIR):
		err = fmt.Errorf("%w: it is a directory or removed", ErrFormat)
	case err == nil:
		err = a.linkHere(dir, base, func(parent int) error { return unix.Linkat(tparent, tbase, parent, base, 0) }, &st)
	}
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", shorten(target), err)
	}
	return nil
}

// linkHere makes a link to the file st, unless the entry is that file already: a link to itself must not remove it.
func (a *applier) linkHere(dir, base string, link func(parent int) error, st *unix.Stat_t) error {
	parent, err := a.tree.dir(dir)
	if err != nil || same(parent, base, st) {
		return err
	}
	err = a.create(parent, base, func() error { return link(parent) })
	if err == nil {
		a.sum.Inodes-- // a link is no inode
	}
	return err
}

// same says whether the entry at name is the file st.
func same(parent int, name string, st *unix.Stat_t) bool {
	var have unix.Stat_t
	return unix.Fstatat(parent, name, &have, unix.AT_SYMLINK_NOFOLLOW) == nil && have.Ino == st.Ino && have.Dev == st.Dev
}

// linkBelow notes a link to a file of a lower layer; the file is copied when the image is put together. A whiteout holds its
// place: whatever is below at that name is gone.
func (a *applier) linkBelow(dir, base, target string) error {
	parent, err := a.tree.dir(dir)
	if err != nil {
		return err
	}
	if err := a.create(parent, base, func() error { return unix.Mknodat(parent, base, unix.S_IFCHR, 0) }); err != nil {
		return err
	}
	if err := a.noteWhiteout(parent); err != nil {
		return err
	}
	name, err := a.tree.realPath(parent)
	if err != nil {
		return err
	}
	a.below[path.Join(name, base)] = target // the last entry of a name wins
	return a.checkNotes()
}

func (a *applier) symlink(dir, base string, h *tar.Header) error {
	if h.Linkname == "" || len(h.Linkname) > maxPath || strings.ContainsRune(h.Linkname, 0) {
		return fmt.Errorf("%w: symlink to %q", ErrFormat, shorten(h.Linkname))
	}
	parent, err := a.tree.dir(dir)
	if err != nil {
		return err
	}
	if err := a.create(parent, base, func() error { return unix.Symlinkat(h.Linkname, parent, base) }); err != nil {
		return err
	}
	a.dropXattrs(h)
	return a.ownAndTime(parent, base, h)
}

func (a *applier) node(dir, base string, h *tar.Header) error {
	mode, dev := uint32(unix.S_IFIFO), 0
	if h.Typeflag != tar.TypeFifo {
		if h.Devmajor < 0 || h.Devminor < 0 || h.Devmajor >= 1<<12 || h.Devminor >= 1<<20 {
			return fmt.Errorf("%w: device %d:%d", ErrFormat, h.Devmajor, h.Devminor)
		}
		dev = int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor)))
		mode = unix.S_IFCHR
		if h.Typeflag == tar.TypeBlock {
			mode = unix.S_IFBLK
		}
	}
	parent, err := a.tree.dir(dir)
	if err != nil {
		return err
	}
	if err := a.create(parent, base, func() error { return unix.Mknodat(parent, base, mode, dev) }); err != nil {
		return fmt.Errorf("mknod: %w", err)
	}
	a.dropXattrs(h)
	if err := unix.Fchownat(parent, base, h.Uid, h.Gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("chown: %w", err)
	}
	// No symlink: the node is new and nobody else writes here.
	if err := unix.Fchmodat(parent, base, permissions(h), 0); err != nil {
		return fmt.Errorf("chmod: %w", err)
	}
	return a.ownAndTime(parent, base, h)
}

func (a *applier) ownAndTime(parent int, base string, h *tar.Header) error {
	if h.Typeflag == tar.TypeSymlink {
		if err := unix.Fchownat(parent, base, h.Uid, h.Gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("chown: %w", err)
		}
	}
	times := entryTimes(h)
	return unix.UtimesNanoAt(parent, base, times[:], unix.AT_SYMLINK_NOFOLLOW)
}
