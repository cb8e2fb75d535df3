// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// Before Linux 5.14 (Host.NoSetattr) flags of mounts are changed by mount(2): MS_REMOUNT | MS_BIND, and MS_SLAVE and so on. That
//
//   - takes a path. It is /proc/self/fd/N of the mount's descriptor, in the procfs of the host, which the process sees until it enters its
//     root, and which is made sure of: no path of the container is ever looked up;
//   - is for mounts that are attached. Nothing of the container runs until the flags are set, and others see its mounts only where it
//     shares their mount namespace;
//   - sets all flags of a mount. Those that are not asked for are what statfs(2) tells (step REMOUNT);
//   - knows no flags of a whole tree of mounts, and no mapped IDs: these are refused.

// checkOld refuses what of a mount takes mount_setattr(2).
func (a *assembly) checkOld(m *mount) error {
	if !a.opts.Host.NoSetattr {
		return nil
	}
	needs := func(field, what, since string) error {
		field = at("mounts", m.index) + field
		return &FieldError{Field: field, Reason: what + " need mount_setattr(2), Linux " + since, Err: errors.ErrUnsupported}
	}
	switch {
	case m.idmap != nil:
		return needs(".uidMappings", "mapped IDs", "5.14")
	case !m.options.tree.none() && (m.kind == mountRemount || m.kind == mountBind && m.options.recursive):
		return needs(".options", fmt.Sprintf("%q: recursive attributes", a.spec.Mounts[m.index].Options), "5.14")
	}
	return nil
}

// attachAs attaches a detached mount with attributes.
func (a *assembly) attachAs(mount, target plan.Reg, all []Attributes) {
	if a.opts.Host.NoSetattr {
		a.attach(mount, target)
		a.setattrs(mount, all)
		return
	}
	a.setattrs(mount, all)
	a.attach(mount, target)
}

// afterFsmount is what of the attributes of a new file system fsmount(2) does not know.
func (a *assembly) afterFsmount(attributes uint64) []Attributes {
	if !a.opts.Host.NoSetattr || attributes&unix.MOUNT_ATTR_NOSYMFOLLOW == 0 {
		return nil
	}
	return []Attributes{{Set: unix.MOUNT_ATTR_NOSYMFOLLOW}}
}

// remountAs is setattr by mount(2).
func (a *assembly) remountAs(r plan.Reg, c Attributes) {
	if c.Propagation != 0 {
		s := a.step(plan.OpMount, c.Propagation)
		if s.FD = r; c.Recursive {
			s.Arg[0] |= unix.MS_REC
		}
	}
	if c.Set != 0 || c.Clear != 0 {
		a.step(plan.OpRemount, 0, c.Set, c.Clear).FD = r
	}
}

// setattrOfRoot changes the propagation of the root that the process is in: by no file of /proc, which is the container's by then.
func (a *assembly) setattrOfRoot(c Attributes) {
	if !a.opts.Host.NoSetattr {
		a.setattr(a.root, c)
		return
	}
	a.remountAs(plan.NoReg, c)
	a.plan.Steps[len(a.plan.Steps)-1].Str[1] = "/"
}

// verifyProc makes sure of the procfs that remountAs goes by.
func (a *assembly) verifyProc() {
	if !a.opts.Host.NoSetattr {
		return
	}
	note := a.note
	a.about("make sure of /proc")
	r := a.openat(plan.NoReg, "/proc/self/fd", opath|directory, 0)
	a.step(plan.OpVerifyFs, unix.PROC_SUPER_MAGIC).FD = r
	a.close(r)
	a.note = note
}

// predict tells the flags of a mount, as statfs(2) has them, after changes.
func predict(flags int64, all []Attributes) int64 {
	const modes = unix.ST_NOATIME | unix.ST_RELATIME
	for _, c := range all {
		for _, b := range [][2]uint64{
			{unix.MOUNT_ATTR_RDONLY, unix.ST_RDONLY}, {unix.MOUNT_ATTR_NOSUID, unix.ST_NOSUID}, {unix.MOUNT_ATTR_NODEV, unix.ST_NODEV},
			{unix.MOUNT_ATTR_NOEXEC, unix.ST_NOEXEC}, {unix.MOUNT_ATTR_NODIRATIME, unix.ST_NODIRATIME},
		} {
			if c.Clear&b[0] != 0 {
				flags &^= int64(b[1])
			}
			if c.Set&b[0] != 0 {
				flags |= int64(b[1])
			}
		}
		if c.Clear&unix.MOUNT_ATTR__ATIME == 0 {
			continue
		}
		flags &^= modes
		switch c.Set & unix.MOUNT_ATTR__ATIME {
		case unix.MOUNT_ATTR_NOATIME:
			flags |= unix.ST_NOATIME
		case 0:
			flags |= unix.ST_RELATIME
		}
	}
	return flags
}
