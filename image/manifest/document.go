// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	// MaxLayers is what the kernel's overlayfs can stack (OVL_MAX_STACK 500), less one for the repairs that a stack may need and one spare.
	MaxLayers = 498
	// maxEntries bounds an index.
	maxEntries = 1024

	mediaTypeDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	mediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	mediaTypeDockerSchema1  = "application/vnd.docker.distribution.manifest.v1+"
	mediaTypeDockerConfig   = "application/vnd.docker.container.image.v1+json"
)

// Document is an index or a manifest; the other is nil.
type Document struct {
	Index    *ocispec.Index
	Manifest *ocispec.Manifest
}

// Parse reads a document. contentType is what came with it; the document's own media type counts more, and its content most.
func Parse(b []byte, contentType string) (Document, error) {
	fields, err := topLevel(b)
	if err != nil {
		return Document{}, err
	}
	kind, err := kindOf(fields, contentType)
	if err != nil {
		return Document{}, err
	}
	if kind == indexKind {
		x := &ocispec.Index{}
		if err := decode(b, x); err != nil {
			return Document{}, err
		}
		return Document{Index: x}, checkIndex(x)
	}
	m := &ocispec.Manifest{}
	if err := decode(b, m); err != nil {
		return Document{}, err
	}
	return Document{Manifest: m}, checkManifest(m)
}

func decode(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// topLevel lists the document's keys. encoding/json takes keys in any case, and the last of two equal ones: another reader may
// see another image in such a document, so it is refused (GHSA-5j5w-g665-5m35 and its kin).
func topLevel(b []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%w: no JSON object", ErrMalformed)
	}
	fields := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		key := strings.ToLower(t.(string)) // JSON has no other keys
		if _, twice := fields[key]; twice {
			return nil, fmt.Errorf("%w: %q stands in it twice", ErrMalformed, key)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		fields[key] = v
	}
	return fields, nil
}

type kind int

const (
	manifestKind kind = iota
	indexKind
)

// kindOf says what the document is. A document that has the parts of both is refused.
func kindOf(fields map[string]json.RawMessage, contentType string) (kind, error) {
	_, manifests := fields["manifests"]
	_, layers := fields["layers"]
	_, config := fields["config"]
	_, schema1 := fields["fslayers"]
	mediaType := declaredType(fields, contentType)
	switch {
	case schema1 || strings.HasPrefix(mediaType, mediaTypeDockerSchema1):
		return 0, fmt.Errorf("%w: Docker schema 1 manifests have been dead since 2019: push the image anew", ErrUnsupported)
	case manifests && (layers || config):
		return 0, fmt.Errorf("%w: it is an index and a manifest at once", ErrMalformed)
	case manifests && isIndexType(mediaType), manifests && mediaType == "":
		return indexKind, nil
	case config && isManifestType(mediaType), config && mediaType == "":
		return manifestKind, nil
	case isIndexType(mediaType) || isManifestType(mediaType) || mediaType == "":
		return 0, fmt.Errorf("%w: it is declared as %q but is not one", ErrMalformed, mediaType)
	}
	return 0, fmt.Errorf("%w: media type %q", ErrUnsupported, shorten(mediaType))
}

func declaredType(fields map[string]json.RawMessage, contentType string) string {
	var own string
	if err := json.Unmarshal(fields["mediatype"], &own); err == nil && own != "" {
		return own
	}
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil || t == "application/json" || t == "application/octet-stream" || strings.HasPrefix(t, "text/plain") {
		return "" // a plain file server: the content has to speak for itself
	}
	return t
}

func isIndexType(t string) bool { return t == ocispec.MediaTypeImageIndex || t == mediaTypeDockerList }
func isManifestType(t string) bool {
	return t == ocispec.MediaTypeImageManifest || t == mediaTypeDockerManifest
}

func checkIndex(x *ocispec.Index) error {
	if len(x.Manifests) > maxEntries {
		return fmt.Errorf("%w: %d manifests in an index, the limit is %d", ErrUnsupported, len(x.Manifests), maxEntries)
	}
	for i := range x.Manifests {
		if err := checkDescriptor(&x.Manifests[i]); err != nil {
			return fmt.Errorf("manifest %d of the index: %w", i, err)
		}
	}
	return nil
}

func checkManifest(m *ocispec.Manifest) error {
	if len(m.Layers) > MaxLayers {
		return fmt.Errorf("%w: %d layers, the kernel stacks %d", ErrUnsupported, len(m.Layers), MaxLayers)
	}
	if err := checkDescriptor(&m.Config); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if m.Config.MediaType != ocispec.MediaTypeImageConfig && m.Config.MediaType != mediaTypeDockerConfig {
		return fmt.Errorf("%w: its config is of type %q: an artifact, not a container image", ErrUnsupported, shorten(m.Config.MediaType))
	}
	for i := range m.Layers {
		l := &m.Layers[i]
		if err := checkDescriptor(l); err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
		if !isLayerType(l.MediaType) {
			return fmt.Errorf("%w: layer %d is of type %q", ErrUnsupported, i, shorten(l.MediaType))
		}
	}
	return nil
}

// isLayerType takes all tar layers. How they are compressed is seen in the blob itself.
func isLayerType(t string) bool {
	return !strings.Contains(t, "encrypted") &&
		(strings.HasPrefix(t, "application/vnd.oci.image.layer.") || strings.HasPrefix(t, "application/vnd.docker.image.rootfs."))
}

func checkDescriptor(d *ocispec.Descriptor) error {
	if err := d.Digest.Validate(); err != nil {
		return fmt.Errorf("%w: digest %q: %w", ErrMalformed, shorten(d.Digest.String()), err)
	}
	if d.Size < 0 {
		return fmt.Errorf("%w: size %d", ErrMalformed, d.Size)
	}
	// image-spec, descriptor.md: consumers must verify embedded data.
	if d.Data != nil && (int64(len(d.Data)) != d.Size || d.Digest.Algorithm().FromBytes(d.Data) != d.Digest) {
		return fmt.Errorf("%w: the data embedded for %s is not that", ErrMalformed, d.Digest)
	}
	return nil
}

// ParseConfig reads the configuration of a manifest and checks that it speaks of the same layers.
func ParseConfig(b []byte, m *ocispec.Manifest) (ocispec.Image, error) {
	var c ocispec.Image
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("%w: config: %w", ErrMalformed, err)
	}
	if len(c.RootFS.DiffIDs) != len(m.Layers) {
		return c, fmt.Errorf("%w: %d layers but %d diff IDs in the config", ErrMalformed, len(m.Layers), len(c.RootFS.DiffIDs))
	}
	seen := map[digest.Digest]digest.Digest{}
	for i, id := range c.RootFS.DiffIDs {
		if err := id.Validate(); err != nil {
			return c, fmt.Errorf("%w: diff ID %q: %w", ErrMalformed, shorten(id.String()), err)
		}
		if was, ok := seen[m.Layers[i].Digest]; ok && was != id {
			return c, fmt.Errorf("%w: layer %s has two diff IDs", ErrMalformed, m.Layers[i].Digest)
		}
		seen[m.Layers[i].Digest] = id
	}
	return c, nil
}

// shorten keeps foreign text from filling an event.
func shorten(s string) string {
	if len(s) > 128 {
		return s[:125] + "..."
	}
	return s
}
