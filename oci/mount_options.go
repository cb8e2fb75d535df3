// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mountOptions is what the options of one mount ask for.
type mountOptions struct {
	bind, remount bool
	recursive     bool   // rbind
	flags         change // of the mount, but for those about access times
	times         times  // access times of the mount
	given         bool   // there was an option about flags at all, even one that changes nothing
	tree          change // of the mount and all below it (rro …)
	propagation   []Attributes
	data          []fsOption // for the file system
	idmap         bool
	idmapTree     bool // ridmap
	copyUp        bool

	// Those of crun, about symlinks: the source, or the destination, is the link itself; or a source that is a link is made again.
	sourceLink, destinationLink, copyLink bool
}

// change sets and clears MOUNT_ATTR_* flags.
type change struct{ set, clear uint64 }

func (c *change) add(o change) {
	c.set = c.set&^o.clear | o.set
	c.clear = c.clear&^o.set | o.clear
}

func (c change) none() bool { return c == change{} }

// attributes gives the change for mount_setattr(2).
func (c change) attributes(recursive bool) Attributes {
	return Attributes{Set: c.set, Clear: c.clear, Recursive: recursive}
}

// times is what the options say of access times. As mount(8), and so runc, has them, only the first four change anything; atime, norelatime,
// nostrictatime and diratime take the word of one before back.
type times struct{ noatime, relatime, strictatime, nodiratime bool }

// change is for mount_setattr(2), which takes a mode only together with clearing them all. The kernel's order of precedence when several
// are given is that of path_mount. None given changes nothing.
func (t times) change() change {
	if t == (times{}) {
		return change{}
	}
	c := change{clear: unix.MOUNT_ATTR__ATIME | unix.MOUNT_ATTR_NODIRATIME}
	switch {
	case t.strictatime:
		c.set = unix.MOUNT_ATTR_STRICTATIME
	case t.noatime:
		c.set = unix.MOUNT_ATTR_NOATIME
	}
	if t.nodiratime {
		c.set |= unix.MOUNT_ATTR_NODIRATIME
		c.clear &^= unix.MOUNT_ATTR_NODIRATIME
	}
	return c
}

// read takes over an option.
func (t *times) read(s string) bool {
	switch s {
	case "noatime", "atime":
		t.noatime = s == "noatime"
	case "relatime", "norelatime":
		t.relatime = s == "relatime"
	case "strictatime", "nostrictatime":
		t.strictatime = s == "strictatime"
	case "nodiratime", "diratime":
		t.nodiratime = s == "nodiratime"
	default:
		return false
	}
	return true
}

// fsOption is one option of a file system; without a value it is a flag.
type fsOption struct{ key, value string }

// The flags of a mount by their option (runtime-spec config.md, "Linux mount options"). An access time mode replaces the others, so
// that each clears them all; relatime is the mode 0. The same words with an r in front are for the whole tree.
var mountFlags = table[string, change]{
	{"ro", change{set: unix.MOUNT_ATTR_RDONLY}},
	{"rw", change{clear: unix.MOUNT_ATTR_RDONLY}},
	{"nosuid", change{set: unix.MOUNT_ATTR_NOSUID}},
	{"suid", change{clear: unix.MOUNT_ATTR_NOSUID}},
	{"nodev", change{set: unix.MOUNT_ATTR_NODEV}},
	{"dev", change{clear: unix.MOUNT_ATTR_NODEV}},
	{"noexec", change{set: unix.MOUNT_ATTR_NOEXEC}},
	{"exec", change{clear: unix.MOUNT_ATTR_NOEXEC}},
	{"nodiratime", change{set: unix.MOUNT_ATTR_NODIRATIME}},
	{"diratime", change{clear: unix.MOUNT_ATTR_NODIRATIME}},
	{"nosymfollow", change{set: unix.MOUNT_ATTR_NOSYMFOLLOW}},
	{"symfollow", change{clear: unix.MOUNT_ATTR_NOSYMFOLLOW}},
	{"noatime", change{set: unix.MOUNT_ATTR_NOATIME, clear: unix.MOUNT_ATTR__ATIME}},
	{"strictatime", change{set: unix.MOUNT_ATTR_STRICTATIME, clear: unix.MOUNT_ATTR__ATIME}},
	{"relatime", change{clear: unix.MOUNT_ATTR__ATIME}},
	{"atime", change{clear: unix.MOUNT_ATTR__ATIME}},
	{"norelatime", change{clear: unix.MOUNT_ATTR__ATIME}},
	{"nostrictatime", change{clear: unix.MOUNT_ATTR__ATIME}},
}

// Flags of the superblock, with the one that each takes back; "" where it is one to set. They are set when a file system is made and do not
// touch a bind mount (mount(2), MS_BIND). silent and loud are about messages of the kernel that fsopen(2) hands to the caller, and
// iversion is what file systems have decided by themselves since Linux 6.6.
var superblockFlags = table[string, string]{
	{"sync", ""}, {"dirsync", ""}, {"mand", ""}, {"lazytime", ""},
	{"async", "sync"}, {"nomand", "mand"}, {"nolazytime", "lazytime"}, {"silent", "-"}, {"loud", "-"}, {"iversion", "-"}, {"noiversion", "-"},
}

var propagations = table[string, uint64]{
	{"private", unix.MS_PRIVATE}, {"slave", unix.MS_SLAVE}, {"shared", unix.MS_SHARED}, {"unbindable", unix.MS_UNBINDABLE},
}

// parseMountOptions reads the options of a mount. What it does not know goes to the file system.
func parseMountOptions(options []string) mountOptions {
	var o mountOptions
	for _, s := range options {
		if o.word(s) || o.flag(s) || o.propagate(s) {
			continue
		}
		key, value, _ := strings.Cut(s, "=")
		o.data = append(o.data, fsOption{key, value})
	}
	return o
}

// word reads the options that say what kind of mount it is.
func (o *mountOptions) word(s string) bool {
	switch s {
	case "bind":
		o.bind = true
	case "rbind":
		o.bind, o.recursive = true, true
	case "remount":
		o.remount = true
	case "idmap":
		o.idmap = true
	case "ridmap":
		o.idmap, o.idmapTree = true, true
	case "tmpcopyup":
		o.copyUp = true
	case "src-nofollow":
		o.sourceLink = true
	case "dest-nofollow":
		o.destinationLink = true
	case "copy-symlink":
		o.copyLink = true
	case "defaults":
	default:
		return false
	}
	return true
}

func (o *mountOptions) flag(s string) bool {
	if o.times.read(s) {
		o.given = true
		return true
	}
	if c, ok := mountFlags.find(s); ok {
		o.flags.add(c)
		o.given = true
		return true
	}
	if c, ok := mountFlags.find(strings.TrimPrefix(s, "r")); ok {
		o.tree.add(c)
		return true
	}
	back, ok := superblockFlags.find(s)
	switch {
	case !ok:
		return false
	case back == "":
		o.data = append(o.data, fsOption{key: s})
	default:
		o.data = slices.DeleteFunc(o.data, func(f fsOption) bool { return f == fsOption{key: back} })
	}
	o.given = true
	return true
}

func (o *mountOptions) propagate(s string) bool {
	for _, recursive := range []bool{false, true} {
		if p, ok := propagations.find(s); ok {
			o.propagation = append(o.propagation, Attributes{Propagation: p, Recursive: recursive})
			return true
		}
		s = strings.TrimPrefix(s, "r")
	}
	return false
}

// lockable are the flags that a mount namespace of another user namespace inherits for good (MNT_LOCK_* in fs/namespace.c), without
// those of access times.
const lockable = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

// newFlags are those of a new file system.
func (o *mountOptions) newFlags() uint64 { return o.flags.set | o.times.change().set }

// bindFlags is the change of a bind mount's flags. With any option about flags the mount has those and no others, as with mount(8)
// and in runc; but in a user namespace it keeps the lockable ones of its source, unless an option names one to go, which is refused.
func (o *mountOptions) bindFlags(userns bool) change {
	if !o.given {
		return change{}
	}
	c, t := o.flags, o.times.change()
	c.clear |= unix.MOUNT_ATTR_NOSYMFOLLOW &^ c.set
	if !userns {
		c.clear |= lockable &^ c.set
	}
	return change{set: c.set | t.set, clear: c.clear | t.clear}
}

// attributes is everything that mount_setattr has to do on a bind mount, in order: the mount's own flags come first, so that what is said
// of the whole tree holds for it too.
//
// A copy of a shared mount is its peer, so that whatever is mounted below it in the container would show up on the host. Unless
// that is asked for, the copy becomes a slave, as a bind mount of runc's is by its parent.
func (o *mountOptions) attributes(userns bool) []Attributes {
	var all []Attributes
	settled := func(p Attributes) bool { return p.Recursive || p.Propagation == unix.MS_SHARED }
	if !slices.ContainsFunc(o.propagation, settled) {
		all = append(all, Attributes{Propagation: unix.MS_SLAVE, Recursive: true})
	}
	if c := o.bindFlags(userns); !c.none() {
		all = append(all, c.attributes(false))
	}
	if !o.tree.none() {
		all = append(all, o.tree.attributes(true))
	}
	return append(all, o.propagation...)
}

// treeFlags are those of open_tree(2) that a bind mount's source wants.
func (o *mountOptions) treeFlags() uint64 {
	var flags uint64
	if o.recursive {
		flags |= recursive
	}
	if o.sourceLink {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	return flags
}

// superblock says whether an option is a flag of the superblock.
func (f fsOption) superblock() bool {
	_, ok := superblockFlags.find(f.key)
	return ok && f.value == ""
}

// rootPropagation is the propagation of linux.rootfsPropagation; 0 for none. With an r in front it is that of all mounts below the root too,
// as in runc 1.5 and crun, whatever their own options; but rprivate and rslave leave them: they are private or slaves already, unless they are
// asked to be shared.
func rootPropagation(s string) (Attributes, error) {
	if s == "" {
		return Attributes{}, nil
	}
	var o mountOptions
	if !o.propagate(s) {
		return Attributes{}, invalid("linux.rootfsPropagation", fmt.Sprintf("%q: none of shared, slave, private, unbindable", s))
	}
	p := o.propagation[0]
	p.Recursive = p.Recursive && p.Propagation != unix.MS_PRIVATE && p.Propagation != unix.MS_SLAVE
	return p, nil
}
