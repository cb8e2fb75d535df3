// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"crisp/test/images"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// shape is how the content of an image is spread over files.
type shape struct {
	name     string
	layers   int
	files    int // a layer
	fileSize int // bytes
}

// shapes have the same sum, size, in MiB.
func shapes(size int) []shape {
	const layers = 20
	perLayer := size << 20 / layers
	const small = 10 << 10
	return []shape{
		{"few big files", layers, 1, perLayer},
		{"many small files", layers, perLayer / small, small},
	}
}

func (s shape) String() string {
	return fmt.Sprintf("%d layers, %d files of %d KiB", s.layers, s.layers*s.files, s.fileSize>>10)
}

// layer is the n-th one, packed. The content compresses about as well as programs do.
func (s shape) layer(n int, c images.Compression) (images.Layer, error) {
	source := rand.NewChaCha8(seed(s.name, n))
	dir := fmt.Sprintf("layer%d", n)
	files := []images.File{images.Dir(dir, 0o755)}
	for i := range s.files {
		if i%100 == 0 {
			files = append(files, images.Dir(fmt.Sprintf("%s/%d", dir, i/100), 0o755))
		}
		files = append(files, images.Binary(fmt.Sprintf("%s/%d/%d", dir, i/100, i), content(source, s.fileSize), 0o644))
	}
	return images.NewLayer(files, c)
}

func seed(name string, n int) (s [32]byte) {
	copy(s[8:], name)
	binary.LittleEndian.PutUint64(s[:], uint64(n))
	return s
}

// content alternates between random bytes and repetitions of what came before: half of it can be compressed away.
func content(source *rand.ChaCha8, size int) []byte {
	r := rand.New(source)
	b := make([]byte, 0, size+256)
	for len(b) < size {
		n := 16 + r.IntN(64)
		if len(b) > 4096 && r.IntN(5) < 3 {
			from := len(b) - 128 - r.IntN(min(len(b)-128, 32<<10))
			from = max(from, 0)
			b = append(b, b[from:from+n]...)
			continue
		}
		for range n / 8 {
			b = binary.LittleEndian.AppendUint64(b, r.Uint64())
		}
	}
	return b[:size]
}

// image makes the image of a shape, and another one with the same layers and a configuration of its own.
func (s shape) image(c images.Compression) (image, sibling *images.Image, err error) {
	layers := make([]images.Layer, s.layers)
	for i := range layers {
		if layers[i], err = s.layer(i, c); err != nil {
			return nil, nil, err
		}
	}
	if image, err = images.New(images.Host(), ocispec.ImageConfig{Cmd: []string{"/one"}}, layers...); err != nil {
		return nil, nil, err
	}
	sibling, err = images.New(images.Host(), ocispec.ImageConfig{Cmd: []string{"/other"}}, layers...)
	return image, sibling, err
}
