// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"crisp/conmon"
	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A container may share a mount namespace: it has none in linux.namespaces, and inherits the runtime's, or joins one by its path. As in runc
// and crun its root file system is at root.path then, with its mounts in it, for everybody in that namespace to see, and it enters that by
// chroot(2): pivot_root(2) would move the others' roots as well. Otherwise than there
//
//   - the namespace's own mounts are left alone (runc makes them all slaves, the host's too);
//   - the root file system is a mount of its own, which goes when the container is deleted, with all that is mounted in it;
//   - an exec is in the container's root, not in the namespace's.
//
// Whoever has CAP_SYS_CHROOT gets out of such a root.

// ownMounts says whether the container has a mount namespace that is made for it.
func (a *assembly) ownMounts() bool { return ownMounts(a.spec) }

func ownMounts(spec *specs.Spec) bool {
	n := namespace(spec, specs.MountNamespace)
	return n != nil && n.Path == ""
}

func (a *assembly) checkShared() error {
	if a.ownMounts() {
		return nil
	}
	if a.spec.Root == nil || a.spec.Root.Path == "" {
		return invalid("root.path", "missing: without a mount namespace of its own the container's root is attached there")
	}
	if path.Clean(a.hostPath(a.spec.Root.Path)) == "/" {
		return invalid("root.path", "a container in the root of others needs a mount namespace of its own")
	}
	a.warn("the container has no mount namespace of its own: others see its mounts, and CAP_SYS_CHROOT leads out of its root")
	return nil
}

// requestShown requests where the process hands its root over.
func (a *assembly) requestShown() {
	if !a.ownMounts() {
		a.shown = a.file(FileRequest{Kind: FileShown, Note: "where the root file system is handed over"})
	}
}

// showRoot hands the root over as soon as it is attached, so that it can be unmounted whatever happens from here on.
func (a *assembly) showRoot() {
	if a.shown == plan.NoReg {
		return
	}
	a.about("hand the root file system over")
	s := a.step(plan.OpSendFd)
	s.FD, s.FD2 = a.root, a.shown
	a.close(a.shown)
}

// maskShared is maskPaths where others would see the masks in the making: each path gets one of its own.
func (a *assembly) maskShared() {
	a.about("open the mask for files")
	null := a.openat(plan.NoReg, "/dev/null", opath|nofollow, noSymlinks)
	a.verify(null, device{kind: unix.S_IFCHR, number: unix.Mkdev(1, 3)})
	const flags = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
	for _, p := range a.spec.Linux.MaskedPaths {
		a.about("mask %s", p)
		target, missing := a.find(p)
		probe := a.openat(target, ".", opath|directory, beneath)
		isFile := a.tolerate(unix.ENOTDIR)
		a.close(probe)
		cover := a.newFilesystem("tmpfs", "mask", []fsOption{{"mode", "555"}, {"nr_blocks", "1"}, {"nr_inodes", "1"}}, flags|unix.MOUNT_ATTR_NODEV)
		a.attach(cover, target)
		end := a.jump(target)
		a.skipHere(isFile)
		a.step(plan.OpOpenTree, treeClone|emptyPath).FD = null
		a.plan.Steps[len(a.plan.Steps)-1].Out = cover
		a.attachAs(cover, target, []Attributes{{Set: flags, Propagation: unix.MS_PRIVATE}})
		a.skipHere(end)
		a.close(cover)
		a.close(target)
		a.skipHere(missing)
	}
	a.close(null)
}

// requestRoot requests the root of a container to which joining its mount namespace does not lead.
func (a *assembly) requestRoot() {
	if !a.ownMounts() {
		a.root = a.file(FileRequest{Kind: FileContainerRoot, Note: "open the container's root"})
	}
}

func (a *assembly) enterRoot() {
	if a.root == plan.NoReg {
		return
	}
	a.about("enter the container's root")
	a.step(plan.OpFchdir).FD = a.root
	a.step(plan.OpChroot).Str[0] = "."
	a.close(a.root)
}

// rootMount is the root file system of a container in a mount namespace with others.
type rootMount struct {
	id        string // of the mount, see mountID; "": there is none
	path      string // where it is attached
	namespace string // the file of its mount namespace; "": the runtime's
}

func newRootMount(spec *specs.Spec, bundle string, id string) rootMount {
	if ownMounts(spec) || spec.Root == nil {
		return rootMount{}
	}
	m := rootMount{id: id, path: spec.Root.Path}
	if !filepath.IsAbs(m.path) {
		m.path = filepath.Join(bundle, m.path)
	}
	if n := namespace(spec, specs.MountNamespace); n != nil {
		m.namespace = n.Path
	}
	return m
}

// Root identifies the mount that is the container's root file system, where that is to be unmounted by Delete; "": it is not.
func (c *Container) Root() string { return c.root.id }

// watchRoot makes ready for the root of a plan's process. The function that it returns takes the root over after the process was made.
func (c *Container) watchRoot(compiled *Compiled, g *given) (func() error, error) {
	if !compiled.has(FileShown) {
		return func() error { return nil }, nil
	}
	h, err := conmon.NewHalt()
	if err != nil {
		return nil, err
	}
	g.shown = h.Child
	return func() error {
		defer h.Finish()
		h.Child.Close() // the process has closed its own, or is gone
		told, err := h.Receive()
		if errors.Is(err, io.EOF) || err != nil {
			return nil //nolint:nilerr // the process did not come so far, which its own error says
		}
		defer told.File.Close()
		c.root.id, err = mountID(int(told.File.Fd()))
		return err
	}, nil
}

// mountID tells the mount that a file is on, and whose root it is, from others: by the ID that no later one has (Linux 6.8), or one that is
// free to others when the mount is gone, with the file.
func mountID(f int) (string, error) {
	var st unix.Statx_t
	err := unix.Statx(f, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID_UNIQUE|unix.STATX_INO, &st)
	if err == nil && st.Mask&unix.STATX_MNT_ID_UNIQUE == 0 {
		err = unix.Statx(f, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID|unix.STATX_INO, &st)
	}
	return fmt.Sprintf("%d %d:%d %d", st.Mnt_id, st.Dev_major, st.Dev_minor, st.Ino), os.NewSyscallError("statx", err)
}

// undoRoot unmounts the root of a container that could not be made.
func (c *Container) undoRoot() {
	if err := c.root.unmount(); err != nil {
		c.runtime.log.Error("root file system of a failed container stays", "container", c.ID, "path", c.root.path, "error", err)
	}
}

// unmount unmounts the root file system with what is mounted in it, if it is there still.
func (m *rootMount) unmount() error {
	if m.id == "" {
		return nil
	}
	if err := onOwnThread(m.unmountHere); err != nil {
		return fmt.Errorf("unmount %s: %w", m.path, err)
	}
	m.id = ""
	return nil
}

func (m *rootMount) unmountHere() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if m.namespace != "" {
		ns, err := os.Open(m.namespace)
		if errors.Is(err, os.ErrNotExist) { // and its mounts with it
			return nil
		}
		if err != nil {
			return err
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS); err != nil {
			return os.NewSyscallError("setns", err)
		}
	}
	root, err := unix.Open(m.path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("open", err)
	}
	defer unix.Close(root)
	if id, err := mountID(root); err != nil || id != m.id {
		return err
	}
	if err := unix.Fchdir(root); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	return os.NewSyscallError("umount", unix.Unmount(".", unix.MNT_DETACH))
}
