// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// mountKind says how a mount is made.
type mountKind int

const (
	mountNew      mountKind = iota // fsopen, fsconfig, fsmount
	mountBind                      // open_tree
	mountRemount                   // mount_setattr of what is there
	mountLink                      // no mount: a symlink like the source
	mountCgroupV1                  // a tmpfs with a directory for each hierarchy
)

// mount is one entry of mounts.
type mount struct {
	index       int
	destination string // clean, absolute
	kind        mountKind
	fstype      string
	source      string
	inside      string // the source, when it lies in the container's root: below that; what was mounted there before is part of it
	options     mountOptions
	idmap       *IDMap

	copyUp   plan.Reg // where what copies up waits
	tree     plan.Reg // the source of a bind mount, or the new file system, detached
	late     bool     // it becomes read-only in the end
	prepared bool     // the attributes are set already, by the daemon
	parts    []part   // of mountCgroupV1
}

// part is the directory of one cgroup v1 hierarchy.
type part struct {
	hierarchy Hierarchy
	tree      plan.Reg
}

// readMounts turns mounts into what this package works with, and decides how each is made.
func (a *assembly) readMounts() error {
	for i := range a.spec.Mounts {
		m, err := a.readMount(i)
		if err != nil {
			return err
		}
		a.mounts = append(a.mounts, m)
	}
	return nil
}

func (a *assembly) readMount(i int) (mount, error) {
	s := &a.spec.Mounts[i]
	m := mount{
		index: i, destination: a.destination(s.Destination), fstype: s.Type, source: s.Source,
		options: parseMountOptions(s.Options), tree: plan.NoReg,
	}
	switch {
	case m.options.remount:
		m.kind = mountRemount
	case m.options.bind || s.Type == "bind":
		m.kind = mountBind
	}
	if link, ok := a.opts.Links[i]; ok && m.kind == mountBind {
		m.kind, m.source = mountLink, link
		return m, nil
	}
	switch {
	case m.kind != mountNew:
	case s.Type == "cgroup" && !a.opts.Host.Unified():
		m.kind = mountCgroupV1
	case s.Type == "cgroup":
		m.fstype = "cgroup2"
	}
	a.replace(&m)
	if err := a.mapOwners(&m); err != nil {
		return m, err
	}
	if m.kind == mountBind && m.idmap == nil && !a.opts.Mounts[s.Destination] {
		if inside, ok := a.belowRoot(a.hostPath(m.source)); ok {
			m.inside = inside
		}
	}
	a.ignored(&m)
	if err := a.checkOld(&m); err != nil {
		return m, err
	}
	return m, m.check()
}

// destination is where a mount goes: absolute inside the root. A relative one starts there (deprecated by the runtime spec), and one that
// begins with root.path is meant to be below it, as runc takes it (libcontainer/rootfs_linux.go, createOpenMountpoint).
func (a *assembly) destination(d string) string {
	d = path.Clean("/" + d)
	if inside, ok := a.belowRoot(d); ok {
		return inside
	}
	return d
}

// belowRoot is a path of the host as the container will see it, if it lies below root.path. It looks at the words only.
func (a *assembly) belowRoot(p string) (string, bool) {
	if a.spec.Root == nil || a.spec.Root.Path == "" {
		return "", false
	}
	root := path.Clean(a.hostPath(a.spec.Root.Path))
	inside, ok := strings.CutPrefix(path.Clean(p), root)
	return inside, ok && root != "/" && strings.HasPrefix(inside, "/")
}

// replace turns file systems that the process may not mount into bind mounts of the host's.
//
//   - proc shows the PID namespace of who mounts it, and may be mounted only by root of the user namespace that owns that
//     (proc_init_fs_context); the same goes for sysfs with the network namespace (sysfs_init_fs_context).
//   - cgroup2 mounted in the host's cgroup namespace would also reset the host's mount options (apply_cgroup_root_flags), and
//     shows the same as the host's mount.
func (a *assembly) replace(m *mount) {
	if m.kind != mountNew {
		return
	}
	var from string
	switch {
	case m.fstype == "proc" && a.inUserNamespace() && !a.has(specs.PIDNamespace):
		from = "/proc"
	case m.fstype == "sysfs" && a.inUserNamespace() && !a.has(specs.NetworkNamespace):
		from = "/sys"
	case m.fstype == "cgroup2" && !a.has(specs.CgroupNamespace):
		from = a.opts.Host.UnifiedMount
	}
	if from == "" {
		return
	}
	m.kind, m.source = mountBind, from
	m.options.recursive = m.fstype != "cgroup2" && !a.opts.Host.NoSetattr // nothing that the options do not hold for
	if m.options.recursive {                                              // what the option says of one file system holds for the mounts below it
		m.options.tree.add(m.options.flags)
	}
	m.options.data = nil
}

// mapOwners reads uidMappings and gidMappings, and idmap without them: then those of the container's user namespace.
func (a *assembly) mapOwners(m *mount) error {
	s := &a.spec.Mounts[m.index]
	field := fmt.Sprintf("mounts[%d]", m.index)
	uids, gids := s.UIDMappings, s.GIDMappings
	switch {
	case len(uids) == 0 && len(gids) == 0 && !m.options.idmap:
		return nil
	case len(uids) == 0 && len(gids) == 0:
		uids, gids = a.spec.Linux.UIDMappings, a.spec.Linux.GIDMappings
	}
	if len(uids) == 0 || len(gids) == 0 {
		return invalid(field+".uidMappings", "uidMappings and gidMappings go together")
	}
	if m.kind != mountBind {
		return invalid(field+".uidMappings", "only a bind mount can have mapped IDs")
	}
	m.idmap = &IDMap{UIDs: uids, GIDs: gids, Recursive: m.options.idmapTree}
	return nil
}

// check refuses options that the kind of mount does not take.
func (m *mount) check() error {
	field := fmt.Sprintf("mounts[%d]", m.index)
	if m.options.copyUp && (m.kind != mountNew || m.fstype != "tmpfs") {
		return invalid(field+".options", "tmpcopyup: only for a tmpfs")
	}
	if m.kind == mountNew && m.fstype == "" {
		return invalid(field+".type", "missing")
	}
	if m.kind == mountBind && m.source == "" {
		return invalid(field+".source", "missing")
	}
	return nil
}

// ignored warns of options that are not about a mount but about its file system, which is there already. The kernel ignores them, crun and
// runc before 1.3 too.
func (a *assembly) ignored(m *mount) {
	if m.kind == mountNew {
		return
	}
	for _, o := range m.options.data {
		if !o.superblock() {
			a.warn("mounts[%d].options: %q is of no mount but of its file system, and ignored", m.index, o.key)
		}
	}
}

// requestTrees requests the sources that the daemon opens: given ones, those with mapped owners, and with a user namespace all: in
// one, the host's mounts are locked together and cannot be copied one by one (mount_namespaces(7)).
func (a *assembly) requestTrees() {
	for i := range a.mounts {
		m := &a.mounts[i]
		dest := a.spec.Mounts[m.index].Destination
		r := FileRequest{
			Kind: FileTree, Path: a.hostPath(m.source), Recursive: m.options.recursive, NoFollow: m.options.sourceLink,
			Attributes: m.options.attributes(a.userns), IDMap: m.idmap, Locked: a.userns, Later: a.opts.Host.NoSetattr, Note: "open the source of " + m.destination,
		}
		switch {
		case m.kind == mountCgroupV1 && a.opened():
			a.requestHierarchies(m)
		case m.kind != mountBind, m.inside != "":
		case a.opts.Mounts[dest]:
			r.Kind, r.Path = FileMount, dest
			m.tree, m.prepared = a.file(r), !r.Later
		case a.opened() || m.idmap != nil:
			m.tree, m.prepared = a.file(r), !r.Later
		}
	}
}

// hostPath makes a source absolute: a relative one starts at the bundle (runtime-spec config.md, mounts).
func (a *assembly) hostPath(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(a.opts.Bundle, p)
}

// openSources copies the mounts that are bind-mounted, and makes new file systems: both in the order of the spec, for since Linux 6.8
// mountinfo(5) lists mounts in the order in which they were made, not attached.
func (a *assembly) openSources(filesystems bool) {
	for i := range a.mounts {
		m := &a.mounts[i]
		a.about("open the source of %s: %s", m.destination, m.source)
		switch {
		case m.kind == mountCgroupV1:
			a.makeHierarchies(m, filesystems)
		case m.kind == mountBind && m.tree == plan.NoReg && m.inside == "":
			m.tree = a.clonePath(a.hostPath(m.source), m.options.treeFlags())
		case m.kind == mountNew && filesystems:
			a.about("make the mount %s", m.destination)
			a.makeFilesystem(m)
		}
	}
}

// openInside copies the mount of a source in the container's root, as it is by now.
func (a *assembly) openInside(m *mount) {
	flags := opath
	if m.options.sourceLink {
		flags |= nofollow
	}
	source := a.openat(a.root, m.inside, flags, inRoot|noMagicLinks)
	m.tree = a.clone(source, m.options.treeFlags())
	a.close(source)
}

// mountAll makes the mounts in their order.
func (a *assembly) mountAll() {
	for i := range a.mounts {
		m := &a.mounts[i]
		a.about("mount %s", m.destination)
		switch m.kind {
		case mountBind:
			a.bind(m)
		case mountRemount:
			a.remount(m)
		case mountLink:
			a.link(m)
		case mountCgroupV1:
			a.mountHierarchies(m)
		case mountNew:
			a.mountNew(m)
		}
	}
}

func (a *assembly) bind(m *mount) {
	if m.inside != "" {
		a.openInside(m)
	}
	var attributes []Attributes
	if !m.prepared {
		attributes = m.options.attributes(a.inUserNamespace())
	}
	target := a.bindPoint(m)
	a.attachAs(m.tree, target, attributes)
	a.close(target)
	a.keep(m, m.tree, false)
}

// bindPoint opens the mount point of a bind mount:
//
//	open it if it is there, a symlink itself; jump ─▶ end     only with the option dest-nofollow
//	make what is missing and open it
//	end:
func (a *assembly) bindPoint(m *mount) plan.Reg {
	if !m.options.destinationLink {
		return a.point(a.root, m.destination, pointLike, m.tree)
	}
	target := a.openat(a.root, m.destination, opath|nofollow, inRoot|noMagicLinks)
	missing := a.tolerate(unix.ENOENT)
	end := a.jump(target)
	a.skipHere(missing)
	made := a.point(a.root, m.destination, pointLike, m.tree)
	a.plan.Steps[len(a.plan.Steps)-1].Out = target
	a.free = append(a.free, made)
	a.skipHere(end)
	return target
}

// link makes a symlink like the source, which is one. What is there already stays.
func (a *assembly) link(m *mount) {
	dir := a.path(a.root, path.Dir(m.destination))
	s := a.step(plan.OpSymlinkat)
	s.FD, s.Str[0], s.Str[1] = dir, path.Base(m.destination), m.source
	a.tolerate(unix.EEXIST)
	a.close(dir)
}

// keep remembers the mounts on /dev and /dev/pts, and closes others that are needed no more.
func (a *assembly) keep(m *mount, r plan.Reg, needed bool) {
	switch {
	case m.destination == "/dev" && m.kind == mountNew:
		a.dev = r
	case m.destination == "/dev/pts" && m.fstype == "devpts" && m.kind == mountNew:
		a.devpts = r
	case needed:
	default:
		a.close(r)
	}
}

func (a *assembly) remount(m *mount) {
	target := a.openat(a.root, m.destination, opath, inRoot|noMagicLinks)
	for _, c := range []Attributes{m.options.tree.attributes(true), m.options.flags.attributes(false), m.options.times.change().attributes(false)} {
		if c.Set != 0 || c.Clear != 0 {
			a.setattr(target, c)
		}
	}
	a.setattrs(target, m.options.propagation)
	a.close(target)
}

// makeFilesystem makes a new file system. A read-only tmpfs, and what is on /dev, is that only in the end: mount points, devices and symlinks are
// yet to be made in it.
func (a *assembly) makeFilesystem(m *mount) {
	flags := m.options.newFlags() | m.options.tree.set
	m.late = flags&unix.MOUNT_ATTR_RDONLY != 0 && (m.fstype == "tmpfs" || m.destination == "/dev")
	if m.late {
		flags &^= unix.MOUNT_ATTR_RDONLY
	}
	data := m.options.data
	if mode, ok := a.opts.Modes[m.index]; ok {
		data = append([]fsOption{{"mode", strconv.FormatUint(uint64(mode), 8)}}, data...)
	}
	m.tree = a.newFilesystem(m.fstype, m.source, data, flags)
}

// mountNew attaches a new file system.
func (a *assembly) mountNew(m *mount) {
	target := a.mountPoint(m)
	if m.options.copyUp {
		a.fill(m, m.tree, target)
	}
	a.attachAs(m.tree, target, append(a.afterFsmount(m.options.newFlags()|m.options.tree.set), m.options.propagation...))
	a.close(target)
	if m.late {
		a.unsealed = append(a.unsealed, sealed{m.destination, m.tree})
	}
	a.keep(m, m.tree, m.late)
}

// mountPoint opens the mount point of a new file system. proc and sysfs go onto an ordinary directory only, never through a
// symlink of the image: what is written below them later must arrive there (CVE-2019-19921, CVE-2023-27561).
func (a *assembly) mountPoint(m *mount) plan.Reg {
	name := strings.TrimPrefix(m.destination, "/")
	if (m.fstype != "proc" && m.fstype != "sysfs") || strings.Contains(name, "/") {
		return a.point(a.root, m.destination, pointDirectory, plan.NoReg)
	}
	s := a.step(plan.OpMkdirat, 0o755)
	s.FD, s.Str[0] = a.root, name
	a.tolerate(unix.EEXIST)
	return a.openat(a.root, name, opath|directory, beneath|noSymlinks)
}

// newFilesystem makes a detached mount of a new file system.
func (a *assembly) newFilesystem(fstype, source string, data []fsOption, attributes uint64) plan.Reg {
	fs := a.reg()
	s := a.step(plan.OpFsopen)
	s.Str[0], s.Out = fstype, fs
	if source != "" {
		a.configure(fs, fsOption{"source", source})
	}
	for _, o := range data {
		a.configure(fs, o)
	}
	if label := a.mountLabel(fstype); label != "" {
		a.configure(fs, fsOption{"context", label})
	}
	a.step(plan.OpFsconfig, unix.FSCONFIG_CMD_CREATE).FD = fs
	r := a.reg()
	if a.opts.Host.NoSetattr {
		attributes &^= unix.MOUNT_ATTR_NOSYMFOLLOW
	}
	s = a.step(plan.OpFsmount, attributes)
	s.FD, s.Out = fs, r
	a.close(fs)
	a.labelQueues(r, fstype)
	return r
}

// labelQueues labels the file system of message queues, which came with its IPC namespace and takes no options any more. A policy may know
// no labels for it.
func (a *assembly) labelQueues(r plan.Reg, fstype string) {
	if fstype != "mqueue" || !a.opts.Host.SELinux || a.spec.Linux.MountLabel == "" {
		return
	}
	s := a.step(plan.OpSetxattr)
	s.FD, s.Str[0], s.Blob = r, "security.selinux", []byte(a.spec.Linux.MountLabel+"\x00")
	a.tolerate(unix.EOPNOTSUPP)
}

// configure sets an option of a file system that is being made.
func (a *assembly) configure(fs plan.Reg, o fsOption) {
	note := a.note
	a.note += ": option " + o.key
	cmd := uint64(unix.FSCONFIG_SET_STRING)
	if o.value == "" {
		cmd = unix.FSCONFIG_SET_FLAG
	}
	s := a.step(plan.OpFsconfig, cmd)
	s.FD, s.Str[0], s.Str[1] = fs, o.key, o.value
	a.note = note
}

// mountLabel is the SELinux label of a new file system's files. proc, sysfs and the like have labels of their own.
func (a *assembly) mountLabel(fstype string) string {
	if !a.opts.Host.SELinux || (fstype != "tmpfs" && fstype != "devpts") {
		return ""
	}
	return a.spec.Linux.MountLabel
}
