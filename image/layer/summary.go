// SPDX-License-Identifier: Apache-2.0

package layer

// Summary is what is known about an unpacked layer. It is kept beside the layer, so that nobody has to walk it.
type Summary struct {
	// Bytes and Inodes are what the layer takes on disk: data rounded up to blocks of 4 KiB, a block for each directory.
	Bytes  uint64 `json:"bytes"`
	Inodes uint64 `json:"inodes"`
	// Root has the attributes of the layer's "./" entry; nil if it has none.
	Root *Attr `json:"root,omitempty"`
	// Opaque: the layer's root hides all layers below. Overlayfs does not look at the root's own xattr.
	Opaque bool `json:"opaque,omitempty"`
	// Implied are directories that the archive names only as parents of others. They exist in the layer with made-up attributes.
	Implied []string `json:"implied,omitempty"`
	// Whiteouts are the directories that have whiteouts in them. Overlayfs hides these only in directories that it merges.
	Whiteouts []string `json:"whiteouts,omitempty"`
	// Links are hard links to files that are not in this layer but in one below.
	Links []Link `json:"links,omitempty"`
	// DroppedXattrs counts extended attributes that images may not set, or that the file system does not take.
	DroppedXattrs int `json:"droppedXattrs,omitempty"`
}

// Attr are the attributes of a directory.
type Attr struct {
	Mode uint32 `json:"mode"` // permission bits with setuid, setgid and sticky
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
}

// Link is a hard link whose target is in a lower layer. Both are paths from the image's root, without a leading slash.
type Link struct {
	Name   string `json:"name"`
	Target string `json:"target"`
}
