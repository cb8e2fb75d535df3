// SPDX-License-Identifier: Apache-2.0

package server

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Features is what pods may rely on. The kubelet refuses those that need more.
type Features struct {
	RecursiveReadOnlyMounts  bool
	UserNamespaces           bool
	SupplementalGroupsPolicy bool
}

// ProbeFeatures finds out what the built-in runtime offers on this node.
func ProbeFeatures() Features {
	setattr := mountSetattr()
	return Features{
		RecursiveReadOnlyMounts:  setattr,
		UserNamespaces:           setattr && userNamespaces(),
		SupplementalGroupsPolicy: true,
	}
}

// mountSetattr tells whether the kernel has mount_setattr(2), 5.12, which alone can make a tree of mounts read-only or map
// its IDs. A size of 0 is refused before anything is touched: EINVAL means that the call is there.
func mountSetattr() bool {
	_, _, errno := unix.Syscall6(unix.SYS_MOUNT_SETATTR, ^uintptr(0), 0, 0, 0, 0, 0)
	return errno == unix.EINVAL
}

// userNamespaces tells whether root may make any, user_namespaces(7). The file is missing without CONFIG_USER_NS.
func userNamespaces() bool {
	text, err := os.ReadFile("/proc/sys/user/max_user_namespaces")
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return err == nil && n > 0
}
