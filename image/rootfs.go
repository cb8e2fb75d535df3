// SPDX-License-Identifier: Apache-2.0

package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"crisp/image/layer"
	"crisp/image/overlay"
)

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
func (s *Store) MountRootfs(r RootfsRequest) (*os.File, error) {
	st := s.index.inUse(r.ImageID)
	if st == nil {
		return nil, fmt.Errorf("mount root filesystem: %w: %.256q", ErrNotFound, r.ImageID)
	}
	spec := overlay.Spec{Lower: st.lower, Label: r.MountLabel, Volatile: !s.sync}
	if !r.ReadOnly {
		dir, err := writableLayer(r, st.root)
		if err != nil {
			return nil, fmt.Errorf("mount root filesystem: writable layer: %w", err)
		}
		defer dir.Close()
		spec.Dir = dir
	}
	f, err := s.mount(spec, r.UserNS, r.UIDMaps, r.GIDMaps)
	if err != nil {
		return nil, fmt.Errorf("mount root filesystem of %s: %w", r.ImageID, err)
	}
	return f, nil
}

// mount fills a stack that is too low for the kernel, and finds the user namespace.
func (s *Store) mount(spec overlay.Spec, userNS *os.File, uids, gids []specs.LinuxIDMapping) (*os.File, error) {
	need := 1
	if spec.Dir == nil {
		need = 2
	}
	if n := len(spec.Lower); n < need {
		spec.Lower = append(spec.Lower[:n:n], s.empty()[:need-n]...)
	}
	spec.UserNS = userNS
	if userNS == nil && len(uids) > 0 {
		ns, err := overlay.UserNamespace(uids, gids)
		if err != nil {
			return nil, err
		}
		defer ns.Close()
		spec.UserNS = ns
	}
	return s.mounter.Mount(spec)
}

// writableLayer makes upper and work in the container's directory. The root directory that the container sees is upper's own, so it gets
// the attributes that the image's has.
func writableLayer(r RootfsRequest, root layer.Attr) (*os.File, error) {
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return nil, err
	}
	upper := filepath.Join(r.Dir, "upper")
	err := os.Mkdir(upper, 0o700)
	if err == nil {
		err = setRoot(upper, r, root)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(r.Dir, "work"), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.Open(r.Dir)
}

func setRoot(upper string, r RootfsRequest, root layer.Attr) error {
	uid, err := toHost(r.UIDMaps, root.UID)
	if err != nil {
		return fmt.Errorf("owner of /: %w", err)
	}
	gid, err := toHost(r.GIDMaps, root.GID)
	if err != nil {
		return fmt.Errorf("group of /: %w", err)
	}
	if err := os.Lchown(upper, uid, gid); err != nil {
		return err
	}
	return unix.Chmod(upper, root.Mode)
}

// toHost maps an ID of the container to the host's. Without maps they are the same.
func toHost(maps []specs.LinuxIDMapping, id int) (int, error) {
	if len(maps) == 0 {
		return id, nil
	}
	for _, m := range maps {
		if n := int64(id) - int64(m.ContainerID); n >= 0 && n < int64(m.Size) {
			return int(int64(m.HostID) + n), nil
		}
	}
	return 0, fmt.Errorf("%d is in none of the namespace's ranges", id)
}

// VolumeRequest asks for an image as a volume.
type VolumeRequest struct {
	// ImageID is an Image.ID.
	ImageID string
	// SubPath is a file or directory in the image, "" for all of it. Symlinks are followed inside the image.
	SubPath string
	// UIDMaps, GIDMaps and UserNS shift the ownership, as in RootfsRequest.
	UIDMaps, GIDMaps []specs.LinuxIDMapping
	UserNS           *os.File
	// MountLabel is the SELinux context of all files, or "".
	MountLabel string
}

// MountReadOnly returns a detached read-only mount of the image's content, or of the file or directory subPath in it.
func (s *Store) MountReadOnly(imageID, subPath string) (*os.File, error) {
	return s.MountVolume(VolumeRequest{ImageID: imageID, SubPath: subPath})
}

// MountVolume returns a detached read-only mount of an image's content or a part of it.
func (s *Store) MountVolume(r VolumeRequest) (*os.File, error) {
	st := s.index.inUse(r.ImageID)
	if st == nil {
		return nil, fmt.Errorf("mount image volume: %w: %.256q", ErrNotFound, r.ImageID)
	}
	all, err := s.mount(overlay.Spec{Lower: st.lower, Label: r.MountLabel}, r.UserNS, r.UIDMaps, r.GIDMaps)
	if err != nil {
		return nil, fmt.Errorf("mount image volume of %s: %w", r.ImageID, err)
	}
	if r.SubPath == "" {
		return all, nil
	}
	defer all.Close()
	part, err := s.mounter.SubTree(all, r.SubPath)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%w: %.256q in %s: %w", ErrSubPath, r.SubPath, r.ImageID, err)
	}
	return part, err
}
