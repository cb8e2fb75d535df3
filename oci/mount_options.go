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
	flags         change // of the mount
	tree          change // of the mount and all below it (rro …)
	propagation   []Attributes
	data          []fsOption // for the file system
	idmap         bool
	idmapTree     bool // ridmap
	copyUp        bool
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

// fsOption is one option of a file system; without a value it is a flag.
type fsOption struct{ key, value string }

// The flags of a mount by their option (runtime-spec config.md, "Linux mount options"). An access time mode replaces the others, so
// that each clears them all; relatime is the mode 0. The same words with an r in front are for the whole tree.
var mountFlags = map[string]change{
	"ro":            {set: unix.MOUNT_ATTR_RDONLY},
	"rw":            {clear: unix.MOUNT_ATTR_RDONLY},
	"nosuid":        {set: unix.MOUNT_ATTR_NOSUID},
	"suid":          {clear: unix.MOUNT_ATTR_NOSUID},
	"nodev":         {set: unix.MOUNT_ATTR_NODEV},
	"dev":           {clear: unix.MOUNT_ATTR_NODEV},
	"noexec":        {set: unix.MOUNT_ATTR_NOEXEC},
	"exec":          {clear: unix.MOUNT_ATTR_NOEXEC},
	"nodiratime":    {set: unix.MOUNT_ATTR_NODIRATIME},
	"diratime":      {clear: unix.MOUNT_ATTR_NODIRATIME},
	"nosymfollow":   {set: unix.MOUNT_ATTR_NOSYMFOLLOW},
	"symfollow":     {clear: unix.MOUNT_ATTR_NOSYMFOLLOW},
	"noatime":       {set: unix.MOUNT_ATTR_NOATIME, clear: unix.MOUNT_ATTR__ATIME},
	"strictatime":   {set: unix.MOUNT_ATTR_STRICTATIME, clear: unix.MOUNT_ATTR__ATIME},
	"relatime":      {clear: unix.MOUNT_ATTR__ATIME},
	"atime":         {clear: unix.MOUNT_ATTR__ATIME},
	"norelatime":    {clear: unix.MOUNT_ATTR__ATIME},
	"nostrictatime": {clear: unix.MOUNT_ATTR__ATIME},
}

// Flags of the superblock. They are set when a file system is made and do not touch a bind mount (mount(2), MS_BIND). Their
// opposites are what a new file system starts with.
var superblockFlags = map[string]bool{
	"sync": true, "dirsync": true, "mand": true, "lazytime": true,
	"async": false, "nomand": false, "nolazytime": false, "silent": false, "loud": false, "iversion": false, "noiversion": false,
}

var propagations = map[string]uint64{
	"private": unix.MS_PRIVATE, "slave": unix.MS_SLAVE, "shared": unix.MS_SHARED, "unbindable": unix.MS_UNBINDABLE,
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
	case "defaults":
	default:
		return false
	}
	return true
}

func (o *mountOptions) flag(s string) bool {
	if c, ok := mountFlags[s]; ok {
		o.flags.add(c)
		return true
	}
	if c, ok := mountFlags[strings.TrimPrefix(s, "r")]; ok {
		o.tree.add(c)
		return true
	}
	given, ok := superblockFlags[s]
	if given {
		o.data = append(o.data, fsOption{key: s})
	}
	return ok
}

func (o *mountOptions) propagate(s string) bool {
	for _, recursive := range []bool{false, true} {
		if p, ok := propagations[s]; ok {
			o.propagation = append(o.propagation, Attributes{Propagation: p, Recursive: recursive})
			return true
		}
		s = strings.TrimPrefix(s, "r")
	}
	return false
}

// attributes is everything that mount_setattr has to do on a bind mount, in order: the mount's own flags win over the tree's.
//
// A copy of a shared mount is its peer, so that whatever is mounted below it in the container would show up on the host. Unless
// that is asked for, the copy becomes a slave, as a bind mount of runc's is by its parent.
func (o *mountOptions) attributes() []Attributes {
	var all []Attributes
	settled := func(p Attributes) bool { return p.Recursive || p.Propagation == unix.MS_SHARED }
	if !slices.ContainsFunc(o.propagation, settled) {
		all = append(all, Attributes{Propagation: unix.MS_SLAVE, Recursive: true})
	}
	if !o.tree.none() {
		all = append(all, o.tree.attributes(true))
	}
	if !o.flags.none() {
		all = append(all, o.flags.attributes(false))
	}
	return append(all, o.propagation...)
}

// superblock says whether an option is a flag of the superblock.
func (f fsOption) superblock() bool {
	_, ok := superblockFlags[f.key]
	return ok && f.value == ""
}

// rootPropagation is the propagation of linux.rootfsPropagation; 0 for none. Mounts below the root have options of
// their own, so that the r in front changes nothing.
func rootPropagation(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	var o mountOptions
	if !o.propagate(s) {
		return 0, invalid("linux.rootfsPropagation", fmt.Sprintf("%q: none of shared, slave, private, unbindable", s))
	}
	return o.propagation[0].Propagation, nil
}
