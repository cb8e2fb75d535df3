// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// applier unpacks one archive. It belongs to one goroutine.
type applier struct {
	tree    *tree
	lim     Limits
	sum     Summary
	implied map[string]struct{}
	whited  map[string]struct{} // directories that have whiteouts
	below   map[string]string   // links to lower layers: name to target
	content int64               // bytes of file content so far, holes included
	buf     []byte              // for copying file content
	stale   bool                // the tree's open directories may not be what their paths name any more
}

// Apply unpacks an uncompressed archive into the empty directory root, as one overlayfs layer. On an error the directory holds
// some of it; the caller removes it.
func Apply(ctx context.Context, root *os.File, archive io.Reader, lim Limits) (Summary, error) {
	a := &applier{lim: lim, implied: map[string]struct{}{}, whited: map[string]struct{}{}, below: map[string]string{}, buf: make([]byte, 256<<10)}
	a.tree = &tree{root: root, onMade: a.noteMade}
	a.sum.Inodes, a.sum.Bytes = 1, block
	err := a.run(ctx, tar.NewReader(archive))
	if ferr := a.tree.flush(); err == nil {
		err = ferr
	}
	a.sum.Implied = slices.Sorted(maps.Keys(a.implied))
	for _, name := range slices.Sorted(maps.Keys(a.below)) {
		a.sum.Links = append(a.sum.Links, Link{Name: name, Target: a.below[name]})
	}
	a.sum.Whiteouts = slices.Sorted(maps.Keys(a.whited))
	return a.sum, err
}

func (a *applier) run(ctx context.Context, r *tar.Reader) error {
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return archiveError(err)
		}
		if n >= a.lim.Entries {
			return fmt.Errorf("%w: more than %d entries", ErrLimit, a.lim.Entries)
		}
		if err := a.entry(h, r); err != nil {
			return fmt.Errorf("unpack %q: %w", shorten(h.Name), err)
		}
		if err := a.settle(); err != nil {
			return err
		}
	}
}

// archiveError tells a bad archive from a reader's failure.
func archiveError(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrFieldTooLong) {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return err
}

// shorten keeps a hostile name from filling the log.
func shorten(name string) string {
	if len(name) > 256 {
		return name[:253] + "..."
	}
	return name
}

func (a *applier) entry(h *tar.Header, r io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil // git archive's comment
	}
	p, err := clean(h.Name)
	if err != nil {
		return err
	}
	if h.Uid < 0 || h.Gid < 0 || int64(h.Uid) >= 1<<32-1 || int64(h.Gid) >= 1<<32-1 {
		return fmt.Errorf("%w: owner %d:%d", ErrFormat, h.Uid, h.Gid)
	}
	if p == "" {
		return a.rootEntry(h)
	}
	dir, base := split(p)
	if hidden(dir) {
		return nil // below AUFS's own directories
	}
	if len(base) > len(whiteoutPrefix) && base[:len(whiteoutPrefix)] == whiteoutPrefix || base == whiteoutPrefix {
		return a.whiteout(dir, base)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return a.directory(dir, base, h)
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse: // the reader has made TypeReg of V7's TypeRegA
		return a.file(dir, base, h, r)
	case tar.TypeLink:
		return a.hardlink(dir, base, h)
	case tar.TypeSymlink:
		return a.symlink(dir, base, h)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return a.node(dir, base, h)
	}
	return fmt.Errorf("%w: entry of type %q", ErrFormat, h.Typeflag)
}

// rootEntry keeps the attributes of "./": the image's root directory.
func (a *applier) rootEntry(h *tar.Header) error {
	if h.Typeflag != tar.TypeDir {
		return fmt.Errorf("%w: the root is of type %q", ErrFormat, h.Typeflag)
	}
	fd := int(a.tree.root.Fd())
	a.sum.Root = &Attr{Mode: permissions(h), UID: h.Uid, GID: h.Gid}
	if err := a.setAttributes(fd, h); err != nil {
		return err
	}
	if err := a.tree.flush(); err != nil {
		return err
	}
	return setTimes(fd, entryTimes(h))
}

// noteMade keeps directories that get their attributes from lower layers.
func (a *applier) noteMade(p string, anew bool) error {
	a.sum.Inodes++
	a.sum.Bytes += block
	if anew {
		delete(a.implied, p)
		return nil
	}
	a.implied[p] = struct{}{}
	return a.checkNotes()
}

// notImplied takes back that the directory name in parent gets its attributes from a lower layer.
func (a *applier) notImplied(parent int, name string) error {
	if len(a.implied) == 0 {
		return nil
	}
	p, err := a.tree.realPath(parent)
	if err != nil {
		return err
	}
	delete(a.implied, path.Join(p, name))
	return nil
}

func (a *applier) noteWhiteout(dir int) error {
	p, err := a.tree.realPath(dir)
	if err != nil {
		return err
	}
	a.whited[p] = struct{}{}
	return a.checkNotes()
}

func (a *applier) checkNotes() error {
	if n := len(a.implied) + len(a.whited) + len(a.below); n > a.lim.Notes {
		return fmt.Errorf("%w: more than %d unlisted directories, directories with whiteouts and links to lower layers", ErrLimit, a.lim.Notes)
	}
	return nil
}

// replace removes what an earlier entry left at name.
func (a *applier) replace(parent int, name string) error {
	// A directory or a symlink may go, by which other directories were opened. This entry still uses those that it holds.
	a.stale = true
	if err := unix.Unlinkat(parent, name, 0); !errors.Is(err, unix.EISDIR) {
		return err
	}
	if err := os.RemoveAll(procFD(parent) + "/" + name); err != nil {
		return fmt.Errorf("remove the earlier %q: %w", name, err)
	}
	return nil
}

// settle closes open directories after an entry: the superfluous ones, or all if they may be stale.
func (a *applier) settle() error {
	if a.stale {
		a.stale = false
		return a.tree.flush()
	}
	return a.tree.trim()
}
