// SPDX-License-Identifier: Apache-2.0

package images

import (
	"bytes"
	"fmt"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// digestReference is pulled by digest alone, never run.
const digestReference = stage + "test-image-digest:latest"

// publishedDigest is the one that critest asks for (pkg/validate/image.go in cri-tools).
const publishedDigest = "9700f9a2f5bf2c45f2f605a0bd3bce7cf37420ec9d3ed50ac2758413308766bf"

// digestImage has plain layers and depends on nothing of this machine, so that its digest is the same everywhere.
func digestImage() (*Image, error) {
	var members []*Image
	for _, arch := range []string{"amd64", "arm64"} {
		l, err := NewLayer([]File{Text("test-image-digest", arch+"\n")}, Plain)
		if err != nil {
			return nil, err
		}
		img, err := New(ocispec.Platform{OS: "linux", Architecture: arch}, ocispec.ImageConfig{Cmd: []string{"/none"}}, l)
		if err != nil {
			return nil, err
		}
		members = append(members, img)
	}
	return NewIndex(OCI, members...)
}

// PatchCritest copies a critest binary into one that asks for the digest of our test-image-digest: 64 hex digits
// replaced by 64 others, in place. Nobody else can make an image with the published digest, and go build -overlay refuses
// to replace a file of the module cache.
func PatchCritest(in, out string) error {
	img, err := digestImage()
	if err != nil {
		return err
	}
	program, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	if !bytes.Contains(program, []byte(publishedDigest)) {
		return fmt.Errorf("patch %s: it does not contain %s", in, publishedDigest)
	}
	program = bytes.ReplaceAll(program, []byte(publishedDigest), []byte(img.Descriptor.Digest.Encoded()))
	return os.WriteFile(out, program, 0o755)
}
