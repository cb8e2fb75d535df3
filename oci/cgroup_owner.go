// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"path"
	"slices"

	"crisp/oci/cgroup"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// cgroupIsWritable says whether the container may make cgroups below its own: a cgroup namespace of its own, in which cgroups are mounted
// for writing (runtime-spec config-linux.md, "Cgroup ownership").
func cgroupIsWritable(spec *specs.Spec) bool {
	n := namespace(spec, specs.CgroupNamespace)
	return n != nil && n.Path == "" && slices.ContainsFunc(spec.Mounts, func(m specs.Mount) bool {
		return m.Source == "cgroup" && path.Clean("/"+m.Destination) == "/sys/fs/cgroup" && !slices.Contains(m.Options, "ro")
	})
}

// cgroupOwner is the host's ID of the user of the container's process, to whom its cgroup is given then. The host's root has it anyway.
func cgroupOwner(spec *specs.Spec) (uint32, bool) {
	if spec.Process == nil || !cgroupIsWritable(spec) {
		return 0, false
	}
	uid, ok := spec.Process.User.UID, true
	if namespace(spec, specs.UserNamespace) != nil {
		uid, ok = hostID(spec.Linux.UIDMappings, uid)
	}
	return uid, ok && uid != 0
}

// giveCgroup gives the cgroup to the user of the container's process. Who may not give it to another keeps it.
func (r *Runtime) giveCgroup(spec *specs.Spec, c *cgroup.Cgroup) error {
	uid, ok := cgroupOwner(spec)
	if !ok {
		return nil
	}
	err := c.Chown(int(uid))
	if errors.Is(err, unix.EPERM) && (r.host.Rootless || r.host.UserNamespace) {
		r.log.Warn("the container cannot change its cgroup, whose owner stays who makes it", "cgroup", c.Path(), "error", err)
		return nil
	}
	return err
}
