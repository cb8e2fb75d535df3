// SPDX-License-Identifier: Apache-2.0

package isolate

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// PrivateNull covers /dev/null by a device node that is this mount namespace's own. Debian's crun 1.8.1 gives the file that is its
// stdin, stdout or stderr to the container's user, and does so with the machine's /dev/null as well where the container has a user
// namespace or another /dev/null, and in every exec of a user: afterwards the machine's belongs to that user.
func PrivateNull() error {
	dir, err := os.MkdirTemp("", "null")
	if err != nil {
		return err
	}
	defer os.Remove(dir)
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "size=4k,mode=755"); err != nil {
		return fmt.Errorf("mount a file system for /dev/null: %w", err)
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }() // the bind mount stays
	node := filepath.Join(dir, "null")
	if err := unix.Mknod(node, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		return fmt.Errorf("make a /dev/null: %w", err)
	}
	if err := os.Chmod(node, 0o666); err != nil { // whatever the umask
		return err
	}
	if err := unix.Mount(node, "/dev/null", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("cover /dev/null: %w", err)
	}
	return nil
}
