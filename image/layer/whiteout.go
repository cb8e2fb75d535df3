// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Whiteouts in archives (image-spec, layer.md) and what overlayfs wants instead
// (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories"):
//
//	a/.wh.b          a/b of the layers below is gone       character device 0:0 at a/b
//	a/.wh..wh..opq   all of a in the layers below is gone  trusted.overlay.opaque=y on a
//	.wh..wh.X        AUFS's own bookkeeping                nothing
//
// They speak of lower layers only, wherever they stand in the archive: a/b of the same layer stays.
const (
	whiteoutPrefix = ".wh."
	whiteoutMeta   = ".wh..wh."
	whiteoutOpaque = ".wh..wh..opq"
	opaqueXattr    = "trusted.overlay.opaque"
)

// hidden says whether a component of the path is a whiteout name that has no business there.
func hidden(p string) bool {
	return strings.HasPrefix(p, whiteoutPrefix) || strings.Contains(p, "/"+whiteoutPrefix)
}

func isWhiteout(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 }

// whiteout carries out the whiteout base in the directory dir. base begins with the prefix.
func (a *applier) whiteout(dir, base string) error {
	if base == whiteoutOpaque {
		return a.opaque(dir)
	}
	if strings.HasPrefix(base, whiteoutMeta) {
		return nil
	}
	name := strings.TrimPrefix(base, whiteoutPrefix)
	if name == "" || name == "." || name == ".." {
		return fmt.Errorf("%w: whiteout of %q", ErrFormat, name)
	}
	parent, err := a.tree.dir(dir)
	if err != nil {
		return err
	}
	err = unix.Mknodat(parent, name, unix.S_IFCHR, 0)
	if err == nil {
		a.sum.Inodes++
		err = a.noteWhiteout(parent)
	}
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(parent, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := a.notImplied(parent, name); err != nil {
			return err
		}
		return setOpaque(parent, name)
	}
	return nil // a file of this layer hides what is below as it is
}

func (a *applier) opaque(dir string) error {
	if dir == "" {
		a.sum.Opaque = true
		return nil
	}
	fd, err := a.tree.dir(dir)
	if err != nil {
		return err
	}
	return setOpaque(fd, ".")
}

// setOpaque marks the directory name in parent.
func setOpaque(parent int, name string) error {
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return os.NewSyscallError("setxattr "+opaqueXattr, unix.Fsetxattr(fd, opaqueXattr, []byte("y"), 0))
}
