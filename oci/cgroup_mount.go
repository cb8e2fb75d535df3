// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"path"
	"slices"
	"strings"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// Hierarchy is a mounted cgroup v1 hierarchy.
type Hierarchy struct {
	// Path is where the host has it: "/sys/fs/cgroup/cpu,cpuacct". Its last element is its directory in a container too.
	Path string
	// Controllers are its controllers; a name that is not the directory's own becomes a symlink to it.
	Controllers []string
	// Own is the cgroup that this process is in. It is known of who may not be able to make others.
	Own string
}

func (h Hierarchy) name() string { return path.Base(h.Path) }

// The mount type "cgroup" of a host with cgroup v1 is
//
//	tmpfs
//	├── cpu,cpuacct   bind mount of the container's own cgroup in that hierarchy
//	├── cpu ─▶ cpu,cpuacct
//	└── memory        …
//
// as in runc (libcontainer/rootfs_linux.go, mountCgroupV1), but always of the container's own cgroup.

// cgroup is the path of the container's cgroup in a hierarchy: where it has none of its own, ours.
func (a *assembly) cgroup(h Hierarchy) string {
	has := func(c string) bool { return slices.Contains(a.opts.Host.CgroupTasks, c) }
	if h.Own != "" && !slices.ContainsFunc(h.Controllers, has) {
		return path.Join(h.Path, h.Own)
	}
	return path.Join(h.Path, a.opts.CgroupPath)
}

// requestHierarchies has the daemon open the container's cgroups, for a process in a user namespace.
func (a *assembly) requestHierarchies(m *mount) {
	for _, h := range a.opts.Host.Hierarchies {
		r := a.file(FileRequest{
			Kind: FileTree, Path: a.cgroup(h), Attributes: m.options.attributes(true), Later: a.opts.Host.NoSetattr, Note: "open the cgroup of " + h.name(),
		})
		m.parts = append(m.parts, part{h, r})
	}
}

// makeHierarchies makes the tmpfs, and copies the mounts of the container's cgroups if that was not done.
func (a *assembly) makeHierarchies(m *mount, filesystems bool) {
	if filesystems {
		a.about("make the mount %s", m.destination)
		m.tree = a.newFilesystem("tmpfs", "cgroup", []fsOption{{"mode", "755"}}, m.options.newFlags()&^unix.MOUNT_ATTR_RDONLY)
	}
	if m.parts != nil {
		return
	}
	for _, h := range a.opts.Host.Hierarchies {
		a.about("open the cgroup of %s", h.name())
		m.parts = append(m.parts, part{h, a.clonePath(a.cgroup(h), 0)})
	}
}

func (a *assembly) mountHierarchies(m *mount) {
	readOnly, top := m.options.flags.set&unix.MOUNT_ATTR_RDONLY, m.tree
	target := a.point(a.root, m.destination, pointDirectory, plan.NoReg)
	a.attach(top, target)
	a.close(target)
	for _, p := range m.parts {
		a.about("mount %s/%s", m.destination, p.hierarchy.name())
		var attributes []Attributes
		if !a.opened() || a.opts.Host.NoSetattr {
			attributes = m.options.attributes(a.inUserNamespace())
		}
		target := a.point(top, p.hierarchy.name(), pointDirectory, plan.NoReg)
		a.attachAs(p.tree, target, attributes)
		a.close(target)
		a.close(p.tree)
		a.linkControllers(top, p.hierarchy)
	}
	a.about("mount %s", m.destination)
	if readOnly != 0 {
		a.setattr(top, Attributes{Set: readOnly})
	}
	a.close(top)
}

// linkControllers makes the symlinks of a hierarchy with several controllers.
func (a *assembly) linkControllers(top plan.Reg, h Hierarchy) {
	for _, c := range h.Controllers {
		if c == h.name() || strings.Contains(c, "=") { // "name=systemd" is no controller
			continue
		}
		s := a.step(plan.OpSymlinkat)
		s.FD, s.Str[0], s.Str[1] = top, c, h.name()
		a.tolerate(unix.EEXIST)
	}
}
