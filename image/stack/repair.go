// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"crisp/image/layer"
)

// ErrLink: a hard link leads to a file that no lower layer has.
var ErrLink = errors.New("hard link to a file that is not in the image")

// Repairs is what a repair layer has to have.
type Repairs struct {
	// Dirs are directories with the attributes that they should have, parents first; "" is the root.
	Dirs []Dir
	// Links are copies of files.
	Links []Copy
}

// Dir is a directory of a repair layer.
type Dir struct {
	Path string
	Attr layer.Attr
}

// Copy is a file of a repair layer. Copies of the same source are hard links to each other.
type Copy struct {
	Path   string
	Source Source
}

// Source is a file in the layer with this index.
type Source struct {
	Layer int
	Path  string
}

// None says whether no repair layer is needed.
func (r *Repairs) None() bool { return len(r.Dirs) == 0 && len(r.Links) == 0 }

// implicit are the attributes that the unpacker gives to directories which nobody lists.
var implicit = layer.Attr{Mode: 0o755}

// Find says what the stack of layers, base first, lacks.
func Find(layers []Layer) (*Repairs, error) {
	if !slices.ContainsFunc(layers, func(l Layer) bool {
		return len(l.Summary.Implied)+len(l.Summary.Whiteouts)+len(l.Summary.Links) > 0 || l.Summary.Root == nil
	}) {
		return &Repairs{}, nil
	}
	v, err := newView(layers)
	if err != nil {
		return nil, err
	}
	defer v.close()
	f := &finder{view: v, dirs: map[string]layer.Attr{}}
	for i, l := range layers {
		for p, implied := range v.implied[i] {
			if !implied {
				continue
			}
			if err := f.dir(i, p); err != nil {
				return nil, fmt.Errorf("directory %q: %w", p, err)
			}
		}
		for _, p := range l.Summary.Whiteouts {
			if err := f.ghosts(i, p); err != nil {
				return nil, fmt.Errorf("directory %q: %w", p, err)
			}
		}
		for _, link := range l.Summary.Links {
			if err := f.link(i, link); err != nil {
				return nil, err
			}
		}
	}
	return f.repairs()
}

type finder struct {
	view  *view
	dirs  map[string]layer.Attr
	links []Copy
}

// dir looks at the directory p that layer i only implies. It counts where layer i is the highest that has it.
func (f *finder) dir(i int, p string) error {
	v := f.view
	if !v.isDir(i, p) {
		return nil // a later entry of the same layer took its place
	}
	if top, err := v.find(len(v.layers), p); err != nil || top != i {
		return err
	}
	attr, err := f.rightful(p)
	if err == nil && attr != implicit {
		f.dirs[p] = attr
	}
	return err
}

// ghosts looks at the directory p of layer i, which has whiteouts in it. If no other layer has a part in p, overlayfs lists the directory
// as it is: the whiteouts are to be seen, as names that do not exist. A second layer's empty p makes it look closer.
func (f *finder) ghosts(i int, p string) error {
	v := f.view
	if p == "" || !v.isDir(i, p) {
		return nil
	}
	if top, err := v.find(len(v.layers), p); err != nil || top != i {
		return err
	}
	_, through, err := v.ask(i, p)
	if err != nil {
		return err
	}
	if through {
		j, err := v.find(i, p)
		if err != nil || j >= 0 && v.isDir(j, p) {
			return err
		}
	}
	f.dirs[p], err = f.rightful(p)
	return err
}

// rightful are the attributes that p has in the merged tree if implied directories do not count.
func (f *finder) rightful(p string) (layer.Attr, error) {
	v := f.view
	j, err := v.explicit(len(v.layers), p)
	if err != nil || j < 0 {
		return implicit, err
	}
	if p == "" {
		return *v.layers[j].Summary.Root, nil
	}
	var st unix.Stat_t
	if err := unix.Fstatat(int(v.roots[j].Fd()), p, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return implicit, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return implicit, nil
	}
	return layer.Attr{Mode: st.Mode & 0o7777, UID: int(st.Uid), GID: int(st.Gid)}, nil
}

// link looks at a hard link of layer i to a file below it, unless a higher layer decides what is at its name.
func (f *finder) link(i int, l layer.Link) error {
	v := f.view
	for j := len(v.layers) - 1; j > i; j-- {
		if vd, _, err := v.ask(j, l.Name); err != nil || vd != silent {
			return err
		}
	}
	if !v.isWhiteout(i, l.Name) {
		return nil // a later entry of the same layer took its place
	}
	vd, through, err := v.ask(i, l.Target)
	if err != nil {
		return err
	}
	j := -1
	if vd == silent && through {
		if j, err = v.find(i, l.Target); err != nil {
			return err
		}
	}
	if j < 0 {
		return fmt.Errorf("%w: %q to %q", ErrLink, l.Name, l.Target)
	}
	f.links = append(f.links, Copy{Path: l.Name, Source: Source{Layer: j, Path: l.Target}})
	return nil
}

// repairs completes the parents: the repair layer is on top, so its directories' attributes count, all of them.
func (f *finder) repairs() (*Repairs, error) {
	r := &Repairs{Links: f.links}
	need := map[string]bool{}
	for p := range f.dirs {
		addParents(need, p)
	}
	for _, l := range f.links {
		addParents(need, l.Path)
	}
	for p := range need {
		if _, ok := f.dirs[p]; ok {
			continue
		}
		attr, err := f.rightful(p)
		if err != nil {
			return nil, fmt.Errorf("directory %q: %w", p, err)
		}
		f.dirs[p] = attr
	}
	for p, attr := range f.dirs {
		r.Dirs = append(r.Dirs, Dir{Path: p, Attr: attr})
	}
	slices.SortFunc(r.Dirs, func(a, b Dir) int { return strings.Compare(a.Path, b.Path) })
	return r, nil
}

func addParents(need map[string]bool, p string) {
	for p != "" {
		p = parent(p)
		need[p] = true
	}
}

// Build fills the empty directory root.
func (r *Repairs) Build(layers []Layer, root *os.File) (layer.Summary, error) {
	sum := layer.Summary{Bytes: 4096, Inodes: 1}
	for _, d := range r.Dirs {
		if err := d.build(root); err != nil {
			return sum, fmt.Errorf("repair %q: %w", d.Path, err)
		}
		if d.Path == "" {
			sum.Root = &d.Attr
			continue
		}
		sum.Bytes += 4096
		sum.Inodes++
	}
	made := map[Source]string{}
	for _, c := range r.Links {
		n, err := c.build(layers, root, made)
		if err != nil {
			return sum, fmt.Errorf("copy %q for the hard link %q: %w", c.Source.Path, c.Path, err)
		}
		if n >= 0 {
			sum.Bytes += uint64(n+4095) / 4096 * 4096
			sum.Inodes++
		}
	}
	return sum, nil
}

// build makes the directory. No symlink can be on its way: everything in root was made here.
func (d Dir) build(root *os.File) error {
	p := d.Path
	if p == "" {
		p = "."
	} else if err := unix.Mkdirat(int(root.Fd()), p, 0o700); err != nil {
		return err
	}
	if err := unix.Fchownat(int(root.Fd()), p, d.Attr.UID, d.Attr.GID, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	return unix.Fchmodat(int(root.Fd()), p, d.Attr.Mode, 0)
}

// build copies the file, or links to an earlier copy and returns -1. made has the earlier copies.
func (c Copy) build(layers []Layer, root *os.File, made map[Source]string) (size int64, err error) {
	if first, ok := made[c.Source]; ok {
		return -1, unix.Linkat(int(root.Fd()), first, int(root.Fd()), c.Path, 0)
	}
	made[c.Source] = c.Path
	lower, err := os.OpenRoot(layers[c.Source.Layer].Dir)
	if err != nil {
		return 0, err
	}
	defer lower.Close()
	fi, err := lower.Lstat(c.Source.Path)
	if err != nil {
		return 0, err
	}
	if !fi.Mode().IsRegular() {
		return 0, fmt.Errorf("%w: it is a %s", ErrLink, fi.Mode().Type())
	}
	from, err := lower.Open(c.Source.Path)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	fd, err := unix.Openat(int(root.Fd()), c.Path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return 0, err
	}
	to := os.NewFile(uintptr(fd), c.Path)
	defer to.Close()
	if size, err = io.Copy(to, from); err != nil {
		return size, err
	}
	return size, copyAttributes(to, from)
}

func copyAttributes(to, from *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &st); err != nil {
		return err
	}
	fd := int(to.Fd())
	if err := unix.Fchown(fd, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Fchmod(fd, st.Mode&0o7777); err != nil {
		return err
	}
	if err := copyXattrs(fd, int(from.Fd())); err != nil {
		return err
	}
	return unix.UtimesNanoAt(fd, "", []unix.Timespec{st.Atim, st.Mtim}, unix.AT_EMPTY_PATH)
}

// copyXattrs copies what the unpacker has let through; the kernel's own attributes of the node are not in a layer.
func copyXattrs(to, from int) error {
	names := make([]byte, 64<<10)
	n, err := unix.Flistxattr(from, names)
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return err
	}
	value := make([]byte, 64<<10)
	for name := range strings.SplitSeq(string(names[:n]), "\x00") {
		if name == "" || strings.HasPrefix(name, "security.") && name != "security.capability" {
			continue
		}
		n, err := unix.Fgetxattr(from, name, value)
		if err != nil {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
		if err := unix.Fsetxattr(to, name, value[:n], 0); err != nil {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
	}
	return nil
}
