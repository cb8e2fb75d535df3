// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/image"
)

// imageService is the CRI's ImageService.
type imageService struct {
	runtime.UnimplementedImageServiceServer
	images Images
}

// ListImages implements runtime.ImageServiceServer.
func (s *imageService) ListImages(_ context.Context, r *runtime.ListImagesRequest) (*runtime.ListImagesResponse, error) {
	images, err := s.list(r.GetFilter())
	if err != nil {
		return nil, err
	}
	return &runtime.ListImagesResponse{Images: images}, nil
}

// list returns the images that match f. A filter by an image that is not there matches none.
func (s *imageService) list(f *runtime.ImageFilter) ([]*runtime.Image, error) {
	ref := f.GetImage().GetImage()
	if ref == "" {
		all := s.images.List()
		items := make([]*runtime.Image, len(all))
		for i, img := range all {
			items[i] = describe(img)
		}
		return items, nil
	}
	img, err := s.images.Get(ref)
	if errors.Is(err, image.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []*runtime.Image{describe(img)}, nil
}

// ImageStatus implements runtime.ImageServiceServer. An image that is not there is an answer without an image.
func (s *imageService) ImageStatus(_ context.Context, r *runtime.ImageStatusRequest) (*runtime.ImageStatusResponse, error) {
	ref := r.GetImage().GetImage()
	if ref == "" {
		return nil, invalid("image.image: missing")
	}
	img, err := s.images.Get(ref)
	if errors.Is(err, image.ErrNotFound) {
		return &runtime.ImageStatusResponse{}, nil
	}
	if err != nil {
		return nil, err
	}
	resp := &runtime.ImageStatusResponse{Image: describe(img)}
	if r.GetVerbose() {
		text, err := json.Marshal(map[string]any{
			"imageSpec": img.Config, "labels": img.Config.Config.Labels, "layers": img.Layers,
		})
		if err != nil {
			return nil, fmt.Errorf("image %s: info: %w", img.ID, err)
		}
		resp.Info = map[string]string{"info": string(text)}
	}
	return resp, nil
}

// PullImage implements runtime.ImageServiceServer.
func (s *imageService) PullImage(ctx context.Context, r *runtime.PullImageRequest) (*runtime.PullImageResponse, error) {
	ref := r.GetImage().GetImage()
	if ref == "" {
		return nil, invalid("image.image: missing")
	}
	if err := checkHandler(r.GetImage().GetRuntimeHandler()); err != nil {
		return nil, err
	}
	img, err := s.images.Pull(ctx, image.PullRequest{Ref: ref, Auth: credentials(r.GetAuth()), Namespace: r.GetSandboxConfig().GetMetadata().GetNamespace()})
	if err != nil {
		return nil, err
	}
	return &runtime.PullImageResponse{ImageRef: img.ID}, nil
}

// RemoveImage implements runtime.ImageServiceServer.
func (s *imageService) RemoveImage(ctx context.Context, r *runtime.RemoveImageRequest) (*runtime.RemoveImageResponse, error) {
	ref := r.GetImage().GetImage()
	if ref == "" {
		return nil, invalid("image.image: missing")
	}
	if err := unlessGone(s.images.Remove(ctx, ref)); err != nil {
		return nil, err
	}
	return &runtime.RemoveImageResponse{}, nil
}

// ImageFsInfo implements runtime.ImageServiceServer. Containers write to the same file system, so container_filesystems
// stays empty, which says so. Clients call it to see whether somebody is there.
func (s *imageService) ImageFsInfo(ctx context.Context, _ *runtime.ImageFsInfoRequest) (*runtime.ImageFsInfoResponse, error) {
	usage, err := s.images.Usage(ctx)
	if err != nil {
		return nil, err
	}
	return &runtime.ImageFsInfoResponse{ImageFilesystems: []*runtime.FilesystemUsage{{
		Timestamp:  time.Now().UnixNano(),
		FsId:       &runtime.FilesystemIdentifier{Mountpoint: usage.Mountpoint},
		UsedBytes:  &runtime.UInt64Value{Value: usage.Bytes},
		InodesUsed: &runtime.UInt64Value{Value: usage.Inodes},
	}}}, nil
}

// describe is an image as the CRI shows it.
func describe(img *image.Image) *runtime.Image {
	uid, username := img.User()
	r := &runtime.Image{
		Id:          img.ID,
		RepoTags:    img.RepoTags,
		RepoDigests: img.RepoDigests,
		Size:        img.Size,
		Username:    username,
		Spec:        &runtime.ImageSpec{Image: img.ID},
		Pinned:      img.Pinned,
	}
	if uid != nil {
		r.Uid = &runtime.Int64Value{Value: *uid}
	}
	return r
}

// credentials is what the kubelet sends with a pull, or nil when that is nothing.
func credentials(a *runtime.AuthConfig) *image.Auth {
	auth := image.Auth{
		Username:      a.GetUsername(),
		Password:      a.GetPassword(),
		Auth:          a.GetAuth(),
		ServerAddress: a.GetServerAddress(),
		IdentityToken: a.GetIdentityToken(),
		RegistryToken: a.GetRegistryToken(),
	}
	if auth == (image.Auth{}) {
		return nil
	}
	return &auth
}
