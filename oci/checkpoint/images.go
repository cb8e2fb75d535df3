// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Names in the images that are not criu's own.
const (
	descriptorsName = "descriptors.json" // as runc has it: what the first process had as 0, 1 and 2
	parentName      = "parent"           // criu's link to the parent's images
)

// directories are those of a checkpoint, opened.
type directories struct {
	images *os.File
	work   *os.File // may be images
}

func (d *directories) Close() {
	d.images.Close()
	d.work.Close()
}

// reopen opens them again, by the mounts of the calling thread: criu mounts things in its working directory, which must be of its mount namespace.
func (d *directories) reopen() error {
	work, err := reopen(d.work)
	if err != nil {
		return err
	}
	images, err := reopen(d.images)
	if err != nil {
		work.Close()
		return err
	}
	d.Close()
	d.images, d.work = images, work
	return nil
}

func reopen(f *os.File) (*os.File, error) {
	again, err := os.OpenFile(f.Name(), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	was, err := f.Stat()
	if err == nil {
		var is os.FileInfo
		if is, err = again.Stat(); err == nil && !os.SameFile(was, is) {
			err = &os.PathError{Op: "open", Path: f.Name(), Err: unix.ESTALE}
		}
	}
	if err != nil {
		again.Close()
		return nil, err
	}
	return again, nil
}

// openDirectories opens the images and the work directory, and makes what is missing. Links in them are refused: criu creates and truncates
// files by name, also logs and statistics of a restore.
func (o *Options) openDirectories() (*directories, error) {
	if o.Images == "" {
		return nil, errors.New("invalid directory of a checkpoint")
	}
	images, err := openDirectory(o.Images)
	if err != nil {
		return nil, err
	}
	work := images
	if o.Work != "" {
		if work, err = openDirectory(o.Work); err != nil {
			images.Close()
			return nil, err
		}
	}
	d := &directories{images, work}
	if err := errors.Join(o.checkParent(images), checkEntries(images, anyName), checkEntries(work, o.wantsName)); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// openDirectory opens a directory, which it makes if it is missing, but not its parents.
func openDirectory(name string) (*os.File, error) {
	name, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(name, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return os.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
}

// checkParent refuses a parent that is not there, and one that is not named from the images.
func (o *Options) checkParent(images *os.File) error {
	if o.Parent == "" {
		return nil
	}
	if filepath.IsAbs(o.Parent) {
		return errors.New("--parent-path must be relative")
	}
	real := filepath.Join(images.Name(), o.Parent)
	info, err := os.Stat(real)
	if err == nil && !info.IsDir() {
		err = &os.PathError{Op: "stat", Path: real, Err: unix.ENOTDIR}
	}
	if err != nil {
		return fmt.Errorf("invalid --parent-path: %w", err)
	}
	return nil
}

// maxEntries bounds the files of a directory: processes and their threads have a few each.
const maxEntries = 1 << 20

func anyName(string) bool { return true }

// wantsName says whether criu writes a file of that name in its work directory. Engines give it theirs, with sockets, FIFOs and links of their own.
func (o *Options) wantsName(name string) bool {
	return o.Work == "" || strings.HasSuffix(name, ".log") || strings.HasPrefix(name, "stats-") || strings.HasPrefix(name, ".criu") || name == "irmap-cache"
}

// checkEntries refuses what is neither a file nor a directory, but for the link to the parent, which is relative. Only some names may count.
func checkEntries(dir *os.File, counts func(string) bool) error {
	d, err := os.Open(dir.Name())
	if err != nil {
		return err
	}
	defer d.Close()
	seen := 0
	for {
		entries, err := d.ReadDir(1024)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if seen += len(entries); seen > maxEntries {
			return fmt.Errorf("%s: %w: over %d files", dir.Name(), ErrImages, maxEntries)
		}
		for _, e := range entries {
			if !counts(e.Name()) {
				continue
			}
			if err := checkEntry(dir, e); err != nil {
				return err
			}
		}
	}
}

func checkEntry(dir *os.File, e os.DirEntry) error {
	refuse := func(reason string) error {
		return fmt.Errorf("%s: %w: %s", filepath.Join(dir.Name(), e.Name()), ErrImages, reason)
	}
	switch mode := e.Type(); {
	case mode.IsRegular():
		info, err := e.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
			return refuse("a file with several names")
		}
		return nil
	case mode.IsDir(), mode&os.ModeSocket != 0: // lazy-pages.socket
		return nil
	case mode&os.ModeSymlink != 0 && e.Name() == parentName:
		to, err := os.Readlink(filepath.Join(dir.Name(), parentName))
		if err == nil && path.IsAbs(to) {
			err = refuse("an absolute link")
		}
		return err
	case mode&os.ModeSymlink != 0:
		return refuse("a link")
	}
	return refuse("neither a file nor a directory")
}

// maxDescriptors bounds the descriptors file, in bytes.
const maxDescriptors = 4 << 10

// readDescriptors reads what the first process had as 0, 1 and 2. Only pipes count: they are what is given a successor.
func readDescriptors(images *os.File) ([]string, error) {
	fd, err := unix.Openat(int(images.Fd()), descriptorsName, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: filepath.Join(images.Name(), descriptorsName), Err: err}
	}
	f := os.NewFile(uintptr(fd), descriptorsName)
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxDescriptors))
	if err != nil {
		return nil, err
	}
	return parseDescriptors(b)
}

func parseDescriptors(b []byte) ([]string, error) {
	var all []string
	if err := json.Unmarshal(b, &all); err != nil || len(all) > 3 {
		return nil, fmt.Errorf("%s: %w", descriptorsName, ErrImages)
	}
	for i, s := range all {
		inode, ok := strings.CutPrefix(s, "pipe:[")
		inode, closed := strings.CutSuffix(inode, "]")
		if !ok || !closed || inode == "" || strings.Trim(inode, "0123456789") != "" {
			all[i] = ""
		}
	}
	return all, nil
}

// writeDescriptors writes them, into a file of its own.
func writeDescriptors(images *os.File, pid int) error {
	var all []string
	for fd := range 3 {
		to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		all = append(all, to)
	}
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	dir := int(images.Fd())
	if err := unix.Unlinkat(dir, descriptorsName, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "unlink", Path: filepath.Join(images.Name(), descriptorsName), Err: err}
	}
	fd, err := unix.Openat(dir, descriptorsName, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: filepath.Join(images.Name(), descriptorsName), Err: err}
	}
	f := os.NewFile(uintptr(fd), descriptorsName)
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
