// SPDX-License-Identifier: Apache-2.0

package registrytest

import (
	"encoding/json"
	"runtime"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"crisp/image/internal/tartest"
)

// Image is an image to push. Layers are archives; they are sent as gzip unless Blobs has another form for the same index.
type Image struct {
	Config   ocispec.ImageConfig
	Platform ocispec.Platform // default: this machine's
	Layers   [][]byte
	Blobs    map[int][]byte
	// ChangeConfig and ChangeManifest may spoil what is about to be stored.
	ChangeConfig   func(*ocispec.Image)
	ChangeManifest func(*ocispec.Manifest)
}

// Pushed says what a pushed image became.
type Pushed struct {
	Digest   digest.Digest // of the manifest
	ID       digest.Digest // of the config
	Manifest ocispec.Manifest
	Size     int64 // of the manifest
	Platform ocispec.Platform
}

// Push stores an image under its digest and the tags.
func (r *Registry) Push(t testing.TB, repo string, im Image, tags ...string) Pushed {
	t.Helper()
	if im.Platform.Architecture == "" {
		im.Platform = ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	c := ocispec.Image{Platform: im.Platform, Config: im.Config, RootFS: ocispec.RootFS{Type: "layers"}}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest}
	m.SchemaVersion = 2
	for i, plain := range im.Layers {
		blob, ok := im.Blobs[i]
		if !ok {
			blob = tartest.Gzip(t, plain)
		}
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.FromBytes(plain))
		m.Layers = append(m.Layers, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: r.Blob(blob), Size: int64(len(blob))})
	}
	if im.ChangeConfig != nil {
		im.ChangeConfig(&c)
	}
	config := encode(t, c)
	m.Config = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: r.Blob(config), Size: int64(len(config))}
	if im.ChangeManifest != nil {
		im.ChangeManifest(&m)
	}
	b := encode(t, m)
	d := r.Manifest(repo, m.MediaType, b, tags...)
	return Pushed{Digest: d, ID: m.Config.Digest, Manifest: m, Size: int64(len(b)), Platform: im.Platform}
}

// Index stores an index of images.
func (r *Registry) Index(t testing.TB, repo string, images []Pushed, tags ...string) digest.Digest {
	t.Helper()
	x := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex}
	x.SchemaVersion = 2
	for _, im := range images {
		x.Manifests = append(x.Manifests, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: im.Digest, Size: im.Size, Platform: &im.Platform})
	}
	return r.Manifest(repo, x.MediaType, encode(t, x), tags...)
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
