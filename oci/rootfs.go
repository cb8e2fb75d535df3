// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"slices"

	"crisp/conmon/plan"
	"crisp/oci/hook"

	"golang.org/x/sys/unix"
)

// rootfsIsolation keeps the container's mounts from showing up on the host, at root.path or where a given root file system is from,
// and the root from being a shared mount, which pivot_root refuses.
func (a *assembly) rootfsIsolation() Attributes {
	at := Attributes{Propagation: unix.MS_PRIVATE, Recursive: true}
	if p, _ := rootPropagation(a.spec.Linux.RootfsPropagation); p.Propagation == unix.MS_SLAVE {
		at.Propagation = unix.MS_SLAVE
	}
	return at
}

// isolate cuts the new mount namespace off from the host's. As slaves, the host's mounts still go away here when the host
// unmounts them: a private copy would keep a device busy.
func (a *assembly) isolate() {
	if !a.ownMounts() {
		return
	}
	a.about("isolate the mount namespace")
	s := a.step(plan.OpMount)
	s.Str[1], s.Arg[0] = "/", unix.MS_SLAVE|unix.MS_REC
}

// openRoot copies the mount of root.path, unless it is there.
func (a *assembly) openRoot() {
	if a.root == plan.NoReg {
		a.about("open the root file system %s", a.spec.Root.Path)
		a.root = a.clonePath(a.hostPath(a.spec.Root.Path), recursive)
	}
}

// findPlace opens root.path for the root file system when hooks, or others in the mount namespace, will look for it there. In the container's
// mount namespace, not by the daemon: nothing can be attached to another's.
func (a *assembly) findPlace() {
	if !a.placed() {
		return
	}
	a.about("open the place of the root file system: %s", a.spec.Root.Path)
	a.place = a.openat(plan.NoReg, a.hostPath(a.spec.Root.Path), opath|directory, 0)
}

// placed says whether the root file system is attached at root.path.
func (a *assembly) placed() bool { return !a.ownMounts() || hook.BeforePivot(a.spec.Hooks) }

// attachRoot mounts the root file system. Without hooks it is on top of the host's root, so that it needs no directory there; the
// process's own root stays the host's below it until pivot.
func (a *assembly) attachRoot() {
	a.about("attach the root file system")
	s := a.step(plan.OpMoveMount)
	if s.FD, s.FD2 = a.root, a.place; a.place == plan.NoReg {
		s.Str[0] = "/"
	} else {
		a.close(a.place)
	}
	a.verifyProc()
	a.setattr(a.root, a.rootfsIsolation())
	a.showRoot()
}

// sealRoot makes read-only what is to be: mounts of the spec, and the root file system, without the mounts in it.
func (a *assembly) sealRoot() {
	for _, m := range a.unsealed {
		a.about("make %s read-only", m.destination)
		a.setattr(m.reg, Attributes{Set: unix.MOUNT_ATTR_RDONLY})
		if m.reg != a.dev {
			a.close(m.reg)
		}
	}
	if a.spec.Root == nil || !a.spec.Root.Readonly {
		return
	}
	a.about("make the root file system read-only")
	a.setattr(a.root, Attributes{Set: unix.MOUNT_ATTR_RDONLY})
}

// pivot makes the root file system the root and lets go of the host's: pivot_root(2), `pivot_root(".", ".")`, stacks the old root on
// top of the new one, where it is unmounted from.
func (a *assembly) pivot() {
	if a.opts.NoPivot && a.ownMounts() {
		a.hideHost()
		a.moveToTop()
	}
	a.about("enter the root file system")
	a.step(plan.OpFchdir).FD = a.root
	if a.opts.NoPivot || !a.ownMounts() {
		a.step(plan.OpChroot).Str[0] = "."
	} else {
		s := a.step(plan.OpPivotRoot)
		s.Str[0], s.Str[1] = ".", "."
		a.about("let go of the host's root")
		s = a.step(plan.OpUmount, unix.MNT_DETACH)
		s.Str[0] = "."
	}
	a.step(plan.OpChdir).Str[0] = "/"
	// After pivot_root, which refuses a shared root.
	if p, _ := rootPropagation(a.spec.Linux.RootfsPropagation); p.Propagation != 0 {
		a.about("set the root file system's propagation")
		a.setattrOfRoot(p)
	}
	a.close(a.root)
}

// hideHost unmounts the host's procfs and sysfs, all of them, also those below others: they stay in the mount namespace when the root is only
// entered by chroot, and whoever may mount could otherwise have them in full, however the container's are masked (mount_too_revealing in
// fs/namespace.c; runc's msMoveRoot). Who is not the host's root cannot unmount what it inherits, and covers it.
func (a *assembly) hideHost() {
	if a.userns {
		covered := map[string]bool{}
		for _, path := range a.opts.HostProcs {
			if !covered[path] {
				covered[path] = true
				a.about("cover the host's %s", path)
				s := a.step(plan.OpMount, unix.MS_RDONLY)
				s.Str = [3]string{"tmpfs", path, "tmpfs"}
				a.tolerate(unix.EACCES, unix.EPERM, unix.ENOENT)
			}
		}
		return
	}
	for _, path := range slices.Backward(a.opts.HostProcs) {
		a.about("unmount the host's %s", path)
		a.step(plan.OpUmount, unix.MNT_DETACH).Str[0] = path
		a.tolerate(unix.EINVAL, unix.ENOENT) // it went with what it was in
	}
}

// moveToTop moves the root file system on top of the host's root, if it was attached elsewhere: whoever joins the mount namespace comes to
// what is on top.
func (a *assembly) moveToTop() {
	if !a.placed() {
		return
	}
	a.about("move the root file system to the top")
	s := a.step(plan.OpMoveMount)
	s.FD, s.Str[0] = a.root, "/"
}

// makeCwd makes the working directory, if it is missing.
func (a *assembly) makeCwd() {
	if a.process.Cwd == "/" {
		return
	}
	a.about("make the working directory %s", a.process.Cwd)
	a.close(a.path(a.root, a.process.Cwd))
}
