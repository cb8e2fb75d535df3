// SPDX-License-Identifier: Apache-2.0

package images

import (
	"encoding/json"
	"runtime"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Format chooses the media types: an image of Docker's (schema 2) or of OCI's kind.
type Format int

// Both kinds are in use; most published images still are Docker's.
const (
	OCI Format = iota
	Docker
)

// Image is a manifest or an index, with everything that it names.
type Image struct {
	Descriptor ocispec.Descriptor
	blobs      map[digest.Digest]blob // the manifests, configs and layers below it, and itself
}

type blob struct {
	mediaType string
	data      []byte
}

// Host is the platform of this machine.
func Host() ocispec.Platform {
	return ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}
}

// New makes an OCI image for one platform.
func New(p ocispec.Platform, cfg ocispec.ImageConfig, layers ...Layer) (*Image, error) {
	return NewFormat(OCI, p, cfg, layers...)
}

// NewFormat makes an image for one platform.
func NewFormat(f Format, p ocispec.Platform, cfg ocispec.ImageConfig, layers ...Layer) (*Image, error) {
	img := &Image{blobs: map[digest.Digest]blob{}}
	types := f.mediaTypes()
	config := ocispec.Image{Created: &epoch, Platform: p, Config: cfg, RootFS: ocispec.RootFS{Type: "layers"}}
	manifest := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: types.manifest}
	for _, l := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.DiffID)
		config.History = append(config.History, ocispec.History{Created: &epoch, CreatedBy: "crisp test images"})
		manifest.Layers = append(manifest.Layers, img.add(types.layer(l.Compression), l.Data))
	}
	var err error
	if manifest.Config, err = img.addJSON(types.config, config); err != nil {
		return nil, err
	}
	img.Descriptor, err = img.addJSON(types.manifest, manifest)
	img.Descriptor.Platform = &p
	return img, err
}

// NewIndex makes an index of images, each for its platform.
func NewIndex(f Format, members ...*Image) (*Image, error) {
	idx := &Image{blobs: map[digest.Digest]blob{}}
	body := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: f.mediaTypes().index}
	for _, m := range members {
		body.Manifests = append(body.Manifests, m.Descriptor)
		for d, b := range m.blobs {
			idx.blobs[d] = b
		}
	}
	var err error
	idx.Descriptor, err = idx.addJSON(body.MediaType, body)
	return idx, err
}

func (i *Image) addJSON(mediaType string, v any) (ocispec.Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return i.add(mediaType, data), nil
}

func (i *Image) add(mediaType string, data []byte) ocispec.Descriptor {
	d := digest.FromBytes(data)
	i.blobs[d] = blob{mediaType, data}
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
}

type mediaTypes struct{ manifest, config, index, plain, gzip, zstd string }

func (m mediaTypes) layer(c Compression) string {
	switch c {
	case Plain:
		return m.plain
	case Zstd:
		return m.zstd
	}
	return m.gzip
}

func (f Format) mediaTypes() mediaTypes {
	if f == OCI {
		return mediaTypes{
			manifest: ocispec.MediaTypeImageManifest, config: ocispec.MediaTypeImageConfig, index: ocispec.MediaTypeImageIndex,
			plain: ocispec.MediaTypeImageLayer, gzip: ocispec.MediaTypeImageLayerGzip, zstd: ocispec.MediaTypeImageLayerZstd,
		}
	}
	const docker = "application/vnd.docker."
	return mediaTypes{
		manifest: docker + "distribution.manifest.v2+json", config: docker + "container.image.v1+json",
		index: docker + "distribution.manifest.list.v2+json",
		plain: docker + "image.rootfs.diff.tar", gzip: docker + "image.rootfs.diff.tar.gzip",
	}
}
