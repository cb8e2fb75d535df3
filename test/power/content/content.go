// SPDX-License-Identifier: Apache-2.0

// Package content makes the images of the power cuts: from a number alone, so that whoever looks at a disk afterwards knows what must
// be in them.
package content

import (
	"fmt"
	"math/rand/v2"

	"crisp/test/images"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Images is how many there are; each has a layer of its own and two that it shares with others.
const Images = 10

// layers of an image.
func layers(n int) []int { return []int{0, 1 + n%3, 10 + n} }

// Files are what the root file system of an image has.
func Files(n int) map[string][]byte {
	all := map[string][]byte{}
	for _, l := range layers(n) {
		for _, f := range files(l) {
			if !f.Dir {
				all[f.Name] = f.Data
			}
		}
	}
	return all
}

// files of a layer: small ones, as most are, and one that is not.
func files(layer int) []images.File {
	r := rand.New(rand.NewPCG(uint64(layer), 0))
	dir := fmt.Sprintf("layer%d", layer)
	all := []images.File{images.Dir(dir, 0o755)}
	for i := range 12 {
		size := r.IntN(8 << 10)
		if i == 5 {
			size = 200 << 10
		}
		data := make([]byte, size)
		for j := range data {
			data[j] = byte('a' + r.IntN(16))
		}
		all = append(all, images.Binary(fmt.Sprintf("%s/%d", dir, i), data, 0o644))
	}
	return all
}

// Image is the n-th one.
func Image(n int) (*images.Image, error) {
	var all []images.Layer
	for _, l := range layers(n) {
		layer, err := images.NewLayer(files(l), []images.Compression{images.Gzip, images.Zstd, images.Plain}[l%3])
		if err != nil {
			return nil, err
		}
		all = append(all, layer)
	}
	return images.New(images.Host(), ocispec.ImageConfig{Cmd: []string{fmt.Sprint(n)}}, all...)
}
