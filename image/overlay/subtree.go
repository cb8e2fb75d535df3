// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// SubTree returns a detached mount of one file or directory of a detached mount. Symlinks on the way are followed inside
// it, as in a container that has it as its root. mount stays the caller's to close, but is good for nothing else afterwards: see below.
func (m *Mounter) SubTree(mount *os.File, path string) (*os.File, error) {
	f, err := cloneBelow(mount, path)
	if !errors.Is(err, unix.EINVAL) {
		return f, err
	}
	// Before Linux 6.15 only what is attached can be cloned, and what has been attached once is never detached again.
	return inPrivateNamespace(func() (*os.File, error) {
		if err := attach(mount, m.Scratch); err != nil {
			return nil, err
		}
		return cloneBelow(mount, path)
	})
}

func cloneBelow(mount *os.File, path string) (*os.File, error) {
	at, err := unix.Openat2(int(mount.Fd()), path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(at)
	fd, err := unix.OpenTree(at, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return nil, fmt.Errorf("clone %q: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
