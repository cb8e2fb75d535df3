// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// paxXattr is how star, GNU tar and all image builders write extended attributes into PAX headers.
const paxXattr = "SCHILY.xattr."

// allowedXattr says which attributes an image may bring. trusted.* would let it steer overlayfs (redirects to other
// directories, false whiteouts), security.* but file capabilities belongs to the node's policy, and a default ACL would be
// inherited by every entry that follows.
func allowedXattr(name string) bool {
	return name == "security.capability" || name == "system.posix_acl_access" || strings.HasPrefix(name, "user.")
}

// xattrs sets the entry's attributes on an open file or directory. It must come after the owner is set: chown removes file capabilities.
func (a *applier) xattrs(fd int, h *tar.Header) error {
	for key, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(key, paxXattr)
		if !ok {
			continue
		}
		if !allowedXattr(name) {
			a.sum.DroppedXattrs++
			continue
		}
		err := unix.Fsetxattr(fd, name, []byte(value), 0)
		if errors.Is(err, unix.ENOTSUP) {
			a.sum.DroppedXattrs++
			continue
		}
		if err != nil {
			return fmt.Errorf("set attribute %s: %w", name, err)
		}
	}
	return nil
}

// dropXattrs counts the attributes of an entry that cannot carry any: the kernel takes user.* only on files and directories.
func (a *applier) dropXattrs(h *tar.Header) {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, paxXattr) {
			a.sum.DroppedXattrs++
		}
	}
}

// clearXattrs removes what an earlier entry of the same directory has set, but leaves our own mark of opacity.
func clearXattrs(fd int) error {
	buf := make([]byte, 64<<10) // XATTR_LIST_MAX
	n, err := unix.Flistxattr(fd, buf)
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list attributes: %w", err)
	}
	for name := range strings.SplitSeq(string(buf[:n]), "\x00") {
		if !allowedXattr(name) {
			continue
		}
		if err := unix.Fremovexattr(fd, name); err != nil && !errors.Is(err, unix.ENODATA) {
			return fmt.Errorf("remove attribute %s: %w", name, err)
		}
	}
	return nil
}
