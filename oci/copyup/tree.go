// SPDX-License-Identifier: Apache-2.0

package copyup

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Limits bound what is copied.
type Limits struct {
	Entries int64 // files of any kind
	Bytes   int64 // of regular files
}

// maxDepth is of directories in one another; each costs four descriptors.
const maxDepth = 128

// Errors of Tree.
var (
	// ErrLimit: the source has more than Limits allow.
	ErrLimit = errors.New("more than may be copied")
	// ErrChanged: an entry of the source became another while it was copied.
	ErrChanged = errors.New("changed while it was copied")
)

// Tree copies the contents and the attributes of a directory.
func Tree(source, target *os.File, l Limits) error {
	c := copier{left: l}
	from, err := unix.Openat(int(source.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "source", Err: err}
	}
	src := os.NewFile(uintptr(from), "source")
	defer src.Close()
	to, err := unix.Openat(int(target.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "target", Err: err}
	}
	dst := os.NewFile(uintptr(to), "target")
	defer dst.Close()
	if err := c.directory(src, dst, 0); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return &os.PathError{Op: "stat", Path: "source", Err: err}
	}
	return attributes(src, dst, &st)
}

// copier is one call of Tree.
type copier struct{ left Limits }

// directory copies what is in one. Names come in batches: a hostile directory may have millions.
func (c *copier) directory(src, dst *os.File, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: %w: directories %d deep", src.Name(), ErrLimit, depth)
	}
	for {
		names, err := src.Readdirnames(512)
		for _, name := range names {
			if c.left.Entries--; c.left.Entries < 0 {
				return fmt.Errorf("%s: %w: too many files", src.Name(), ErrLimit)
			}
			if err := c.entry(src, dst, name, depth); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		if err == io.EOF { //nolint:errorlint // as Readdirnames has it
			return nil
		}
		if err != nil {
			return err
		}
	}
}

const lookup = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

// open opens an entry of a directory.
func open(dir *os.File, name string, flags uint64) (*os.File, error) {
	for range 64 { // EAGAIN: something was renamed meanwhile
		fd, err := unix.Openat2(int(dir.Fd()), name, &unix.OpenHow{Flags: flags | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: lookup})
		if errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), name), nil
	}
	return nil, unix.EAGAIN
}

// entry copies one file of any kind.
func (c *copier) entry(src, dst *os.File, name string, depth int) error {
	at, err := open(src, name, unix.O_PATH)
	switch {
	case errors.Is(err, unix.EXDEV): // something is mounted there
		return nil
	case errors.Is(err, unix.ENOENT): // gone meanwhile
		return nil
	case err != nil:
		return err
	}
	defer at.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(at.Fd()), &st); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return c.subdirectory(src, dst, name, &st, depth)
	case unix.S_IFREG:
		return c.regular(src, dst, name, &st)
	case unix.S_IFLNK:
		return symlink(at, dst, name, &st)
	}
	if err := unix.Mknodat(int(dst.Fd()), name, st.Mode, int(st.Rdev)); err != nil { //nolint:unconvert // differs by architecture
		return os.NewSyscallError("mknod", err)
	}
	return plainAttributes(dst, name, &st)
}

// same opens an entry that was looked at before, and makes sure that it is the same still.
func same(src *os.File, name string, flags uint64, st *unix.Stat_t) (*os.File, error) {
	f, err := open(src, name, flags)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil, ErrChanged
	}
	if err != nil {
		return nil, err
	}
	var now unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &now); err != nil || now.Dev != st.Dev || now.Ino != st.Ino {
		f.Close()
		return nil, ErrChanged
	}
	return f, nil
}

func (c *copier) subdirectory(src, dst *os.File, name string, st *unix.Stat_t, depth int) error {
	in, err := same(src, name, unix.O_RDONLY|unix.O_DIRECTORY, st)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := unix.Mkdirat(int(dst.Fd()), name, 0o700); err != nil {
		return os.NewSyscallError("mkdir", err)
	}
	out, err := open(dst, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := c.directory(in, out, depth+1); err != nil {
		return err
	}
	return attributes(in, out, st)
}

func (c *copier) regular(src, dst *os.File, name string, st *unix.Stat_t) error {
	in, err := same(src, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, st)
	if err != nil {
		return err
	}
	defer in.Close()
	fd, err := unix.Openat(int(dst.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return os.NewSyscallError("create", err)
	}
	out := os.NewFile(uintptr(fd), name)
	defer out.Close()
	if err := c.content(in, out, st.Size); err != nil {
		return err
	}
	return attributes(in, out, st)
}

// content copies the data of a file, and leaves holes where it has them: tmpfs may hold less than a sparse file pretends to have.
func (c *copier) content(in, out *os.File, size int64) error {
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(in.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // a hole up to the end
			break
		}
		if err != nil { // a file system without holes
			data = at
		}
		end, err := unix.Seek(int(in.Fd()), data, unix.SEEK_HOLE)
		if err != nil || end > size {
			end = size
		}
		if end <= data {
			break
		}
		n, err := c.span(in, out, data, end-data)
		if err != nil {
			return err
		}
		if n == 0 { // cut short meanwhile
			break
		}
		at = data + n
	}
	return os.NewSyscallError("truncate", unix.Ftruncate(int(out.Fd()), size))
}

// span copies n bytes from an offset on.
func (c *copier) span(in, out *os.File, at, n int64) (int64, error) {
	if c.left.Bytes -= n; c.left.Bytes < 0 {
		return 0, fmt.Errorf("%w: too many bytes", ErrLimit)
	}
	return io.Copy(io.NewOffsetWriter(out, at), io.NewSectionReader(in, at, n))
}
