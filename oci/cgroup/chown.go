// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Chown gives the cgroup to a user, who may then make cgroups below it and move processes between them: for a container with own user
// and cgroup namespaces and a writable cgroup mount (runtime-spec config-linux.md "Cgroup ownership"). v2 only; on v1 that would
// be unsafe, and nothing is done.
func (c *Cgroup) Chown(uid int) error {
	if c.m.mode != V2 {
		return nil
	}
	list, err := os.ReadFile("/sys/kernel/cgroup/delegate")
	if err != nil { // before Linux 4.15
		list = []byte("cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n")
	}
	root, err := c.m.unified.fd()
	if err != nil {
		return err
	}
	for _, name := range append([]string{"."}, strings.Fields(string(list))...) {
		if strings.Contains(name, "/") {
			continue
		}
		err := unix.Fchownat(root, path.Join(c.path, name), uid, -1, unix.AT_SYMLINK_NOFOLLOW)
		if err != nil && (name == "." || !errors.Is(err, unix.ENOENT)) { // not every controller is on
			return fmt.Errorf("cgroup %s: chown %s: %w", c.Path(), name, err)
		}
	}
	return nil
}
