// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// protectPaths makes linux.readonlyPaths read-only: each becomes a read-only mount of itself, not of the mounts below it. One that is
// missing needs no protection.
func (a *assembly) protectPaths() {
	for _, p := range a.spec.Linux.ReadonlyPaths {
		a.about("make %s read-only", p)
		target, missing := a.find(p)
		tree := a.clone(target, recursive)
		a.attachAs(tree, target, []Attributes{{Set: unix.MOUNT_ATTR_RDONLY}})
		a.close(tree)
		a.close(target)
		a.skipHere(missing)
	}
}

// find opens a path of the container that may be missing. The steps that are for it end with skipHere of the index.
func (a *assembly) find(p string) (plan.Reg, int) {
	r := a.openat(a.root, p, opath, inRoot|noMagicLinks)
	return r, a.tolerate(unix.ENOENT, unix.ENOTDIR)
}

// masks are what linux.maskedPaths are covered with. Both are mounted over places of the host's tree in the container's own mount
// namespace, where the container never sees them: only an attached mount can be copied before Linux 6.15.
type masks struct {
	file      plan.Reg // the host's /dev/null, read-only so that the container cannot chmod it
	directory plan.Reg // an empty read-only tmpfs, one for all
}

// maskPaths covers linux.maskedPaths: a directory with an empty one, a file with /dev/null.
func (a *assembly) maskPaths() {
	if len(a.spec.Linux.MaskedPaths) == 0 {
		return
	}
	if !a.ownMounts() {
		a.maskShared()
		return
	}
	m := a.makeMasks()
	for _, p := range a.spec.Linux.MaskedPaths {
		a.about("mask %s", p)
		a.mask(p, m)
	}
	a.close(m.file)
	a.close(m.directory)
}

func (a *assembly) makeMasks() masks {
	a.about("make the mask for files")
	null := a.openat(plan.NoReg, "/dev/null", opath|nofollow, noSymlinks)
	a.verify(null, device{kind: unix.S_IFCHR, number: unix.Mkdev(1, 3)})
	file := a.clone(null, 0)
	a.attachAs(file, null, []Attributes{{
		Set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC, Propagation: unix.MS_PRIVATE, // of what the host mounts there
	}})
	a.close(null)
	a.about("make the mask for directories")
	dir := a.newFilesystem("tmpfs", "mask", []fsOption{{"mode", "555"}, {"nr_blocks", "1"}, {"nr_inodes", "1"}},
		unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	s := a.step(plan.OpMoveMount)
	s.FD, s.Str[0] = dir, "/sys"
	return masks{file, dir}
}

// mask covers one path. Whether it is a directory is known only when the plan runs:
//
//	open it           missing ─▶ end
//	open it/.         no directory ─▶ file
//	copy directory mask; jump ─▶ attach
//	file:   copy file mask
//	attach: attach the copy
//	end:
func (a *assembly) mask(p string, m masks) {
	target, missing := a.find(p)
	probe := a.openat(target, ".", opath|directory, beneath)
	isFile := a.tolerate(unix.ENOTDIR)
	a.close(probe)
	cover := a.clone(m.directory, 0)
	attach := a.jump(target)
	a.skipHere(isFile)
	a.step(plan.OpOpenTree, treeClone|emptyPath).FD = m.file
	a.plan.Steps[len(a.plan.Steps)-1].Out = cover
	a.skipHere(attach)
	a.attach(cover, target)
	a.close(cover)
	a.close(target)
	a.skipHere(missing)
}
