// SPDX-License-Identifier: Apache-2.0

package image

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is one image on the node, as it was at the moment of the call that returned it. It is shared: nobody changes it.
type Image struct {
	// ID is the digest of the config, "sha256:…": the same for the same content from any registry.
	ID string
	// RepoTags are full names with a tag ("docker.io/library/busybox:latest"), sorted; empty if it was pulled by digest only.
	RepoTags []string
	// RepoDigests are full names with the digest of the manifest or index as it was pulled, sorted.
	RepoDigests []string
	// Size is the number of bytes that the unpacked layers take on disk, plus the config. Never 0.
	Size uint64
	// Config is the image's configuration: hostile input, see ARCHITECTURE's rules.
	Config ocispec.Image
	// Layers are the diff IDs, base first.
	Layers []digest.Digest
	// Pinned tells the kubelet to leave the image alone when it collects garbage.
	Pinned bool
}

// User returns who the image's processes run as, in CRI's form: a number, or a name, or neither if the image does not say (root).
// A USER that is neither a valid number nor a name is returned as a name, so that the kubelet's runAsNonRoot refuses it.
func (i *Image) User() (uid *int64, username string) {
	uid, username, err := ParseUser(i.Config.Config.User)
	if err != nil {
		return nil, i.Config.Config.User
	}
	return uid, username
}
