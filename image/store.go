// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"log/slog"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"os"
)

// Config says where a Store lives and how it behaves. Zero values mean the defaults.
type Config struct {
	// Root is the store's directory (/var/lib/crisp/images). It is made if missing.
	Root string
	// RegistryDir has one directory a registry with a hosts.toml in it, in containerd's certs.d form. "" means no configuration.
	RegistryDir string
	// MaxDownloads bounds the layers that are downloaded and unpacked at the same time; default 6.
	MaxDownloads int
	// Pinned are patterns of images that the kubelet must not collect: a name, "prefix*" or "*part*".
	Pinned []string
	// Log gets what no caller can be told; default slog.Default.
	Log *slog.Logger
}

// Store is the node's image store. It is safe for concurrent use.
type Store struct{}

// Open recovers the store in c.Root and serves it: half-made layers of a crash are dropped, records are read into memory.
func Open(ctx context.Context, c Config) (*Store, error) { return nil, errors.ErrUnsupported }

// Close stops pulls and background work and waits for them.
func (s *Store) Close() error { return nil }

// Auth is the CRI's AuthConfig: any one of its five kinds of credentials, or none.
type Auth struct {
	Username, Password string
	// Auth is base64 of "username:password".
	Auth string
	// ServerAddress, if set, is the only registry the credentials are for.
	ServerAddress string
	// IdentityToken is an OAuth2 refresh token, exchanged for access tokens.
	IdentityToken string
	// RegistryToken is a bearer token, sent as it is.
	RegistryToken string
}

// PullRequest asks for one image.
type PullRequest struct {
	// Ref is an image name in any form that Docker takes; without tag and digest it means ":latest".
	Ref  string
	Auth *Auth
	// Platform is chosen from an index; nil means the node's own.
	Platform *ocispec.Platform
}

// Pull makes the image present and returns it. It is a joinable job: equal requests at the same time share one pull, and a
// caller whose context ends leaves a job that goes on for a while, for the caller's retry to join.
func (s *Store) Pull(ctx context.Context, r PullRequest) (*Image, error) {
	return nil, errors.ErrUnsupported
}

// List returns all images, sorted by ID, from memory.
func (s *Store) List() []*Image { return nil }

// Get finds an image by ID ("sha256:…" or bare hex), tag, digest, name:tag@digest, short name, or unique ID prefix. ErrNotFound if there is none.
func (s *Store) Get(ref string) (*Image, error) { return nil, errors.ErrUnsupported }

// Remove removes the image that ref names with all its tags and digests. No such image is no error. Layers that a holder
// uses stay on disk until they are released.
func (s *Store) Remove(ctx context.Context, ref string) error { return errors.ErrUnsupported }

// Usage is what the store takes on its file system.
type Usage struct {
	Mountpoint    string
	Bytes, Inodes uint64
}

// Usage adds up the recorded sizes of all layers; nothing on disk is walked.
func (s *Store) Usage(ctx context.Context) (Usage, error) { return Usage{}, errors.ErrUnsupported }

// Hold keeps the image's layers on disk for owner (a container ID) until Release, also if the image is removed. An owner may hold
// several images. Holds are not durable: who owns them repeats them after a restart, then calls Collect.
func (s *Store) Hold(imageID, owner string) error { return errors.ErrUnsupported }

// Release ends all of owner's holds. Unknown owners are fine.
func (s *Store) Release(owner string) {}

// Collect says that all holds of an earlier run of the daemon have been repeated: from now on, removed images that nobody holds may go.
func (s *Store) Collect() {}

// RootfsRequest asks for a container's root filesystem.
type RootfsRequest struct {
	// ImageID is an Image.ID.
	ImageID string
	// Dir gets the writable layer: Dir/upper and Dir/work are made if missing. It must lie on a file system that overlayfs takes as upper.
	Dir string
	// ReadOnly mounts without a writable layer. A runtime that still has to make mount points in it leaves this false
	// and makes the mount read-only afterwards.
	ReadOnly bool
	// UIDMaps and GIDMaps shift the ownership of all files for a user namespace. Both or none.
	UIDMaps, GIDMaps []specs.LinuxIDMapping
	// UserNS, if set, is a user namespace with these maps, which saves making one.
	UserNS *os.File
	// MountLabel is the SELinux context of all files, or "".
	MountLabel string
}

// MountRootfs returns a detached overlay mount: it is in no mount namespace and goes when it is closed and nobody has attached it.
func (s *Store) MountRootfs(r RootfsRequest) (*os.File, error) { return nil, errors.ErrUnsupported }

// MountReadOnly returns a detached read-only mount of the image's content, or of the file or directory subPath in it.
func (s *Store) MountReadOnly(imageID, subPath string) (*os.File, error) {
	return nil, errors.ErrUnsupported
}
