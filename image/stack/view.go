// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"errors"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"crisp/image/layer"
)

// Layer is an unpacked layer.
type Layer struct {
	Dir     string
	Summary layer.Summary
}

// Lower chooses from an image's layers, base first, those that overlayfs has to stack, and returns their indexes, the top one first.
// What lies below an opaque root shows nothing, and neither does an empty layer. A layer that comes twice counts where it is higher:
// everything in it covers what it put lower down, and the kernel takes no directory twice.
func Lower(layers []Layer) []int {
	var out []int
	for i, l := range slices.Backward(layers) {
		twice := slices.ContainsFunc(out, func(j int) bool { return layers[j].Dir == l.Dir })
		if !twice && (l.Summary.Inodes > 1 || l.Summary.Root != nil) {
			out = append(out, i)
		}
		if l.Summary.Opaque {
			break
		}
	}
	return out
}

// view answers what the merged tree has at a path, layer by layer.
type view struct {
	layers  []Layer // base first
	roots   []*os.File
	implied []map[string]bool
}

func newView(layers []Layer) (*view, error) {
	v := &view{layers: layers}
	for _, l := range layers {
		f, err := os.Open(l.Dir)
		if err != nil {
			v.close()
			return nil, err
		}
		v.roots = append(v.roots, f)
		implied := map[string]bool{}
		for _, p := range l.Summary.Implied {
			implied[p] = true
		}
		implied[""] = l.Summary.Root == nil
		v.implied = append(v.implied, implied)
	}
	return v, nil
}

func (v *view) close() {
	for _, f := range v.roots {
		f.Close()
	}
}

// verdict is what one layer says of a path.
type verdict int

const (
	silent verdict = iota // nothing: the layers below decide
	has                   // it is here
	hides                 // it is not here, and what is below does not show
)

// ask returns layer i's verdict on p. through says whether layers below may still have a part in it: they do not if p or a
// directory above it is opaque.
func (v *view) ask(i int, p string) (vd verdict, through bool, err error) {
	through = !v.layers[i].Summary.Opaque
	end := 0
	for end < len(p) {
		if n := strings.IndexByte(p[end+1:], '/'); n >= 0 {
			end += 1 + n
		} else {
			end = len(p)
		}
		var st unix.Stat_t
		err := unix.Fstatat(int(v.roots[i].Fd()), p[:end], &st, unix.AT_SYMLINK_NOFOLLOW)
		switch {
		case errors.Is(err, unix.ENOENT):
			if !through {
				return hides, false, nil
			}
			return silent, true, nil
		case err != nil:
			return hides, false, err
		case whiteout(&st):
			return hides, false, nil
		case st.Mode&unix.S_IFMT == unix.S_IFDIR:
			through = through && !opaque(v.roots[i], p[:end])
		case end < len(p):
			return hides, false, nil // a file or a symlink stands where p has a directory
		}
	}
	return has, through, nil
}

func (v *view) isDir(i int, p string) bool {
	if p == "" {
		return true
	}
	var st unix.Stat_t
	err := unix.Fstatat(int(v.roots[i].Fd()), p, &st, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

func (v *view) isWhiteout(i int, p string) bool {
	var st unix.Stat_t
	return unix.Fstatat(int(v.roots[i].Fd()), p, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && whiteout(&st)
}

func whiteout(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 }

// opaque works on a path whose components ask has just seen to be directories.
func opaque(root *os.File, p string) bool {
	fd, err := unix.Openat(int(root.Fd()), p, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	b := make([]byte, 4)
	n, err := unix.Fgetxattr(fd, "trusted.overlay.opaque", b)
	return err == nil && string(b[:n]) == "y"
}

// find returns the highest layer below top that has p; -1 if none shows it.
func (v *view) find(top int, p string) (int, error) {
	for i := top - 1; i >= 0; i-- {
		vd, _, err := v.ask(i, p)
		if err != nil || vd == hides {
			return -1, err
		}
		if vd == has {
			return i, nil
		}
	}
	return -1, nil
}

// explicit returns the layer whose attributes the directory p has by rights: the highest that lists it, seen from layer top
// downwards; -1 if none does.
func (v *view) explicit(top int, p string) (int, error) {
	for {
		i, err := v.find(top, p)
		if err != nil || i < 0 || !v.implied[i][p] || !v.isDir(i, p) {
			return i, err
		}
		// That p itself is opaque hides what is in the directory below, not the directory: one that is made anew is not in Implied.
		if p == "" {
			top = i
			continue
		}
		if _, through, err := v.ask(i, parent(p)); err != nil || !through {
			return -1, err
		}
		top = i
	}
}

// parent is the directory that p is in; "" is the root.
func parent(p string) string {
	dir, _ := path.Split(p)
	return strings.TrimSuffix(dir, "/")
}
