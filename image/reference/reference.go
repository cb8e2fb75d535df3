// SPDX-License-Identifier: Apache-2.0

package reference

import (
	// sha512 digests are legal (image-spec, descriptor.md); go-digest knows only what is linked.
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"fmt"

	distref "github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// ErrInvalid is what every error of Parse wraps.
var ErrInvalid = errors.New("invalid image reference")

// maxLength bounds a whole reference: 255 bytes of name, 128 of tag, and a sha512 digest fit well.
const maxLength = 1024

// Reference is a normalised image name. Tag or Digest is set; both if the name has both.
type Reference struct {
	Domain string // "docker.io", "127.0.0.1:5000"
	Path   string // "library/busybox"
	Tag    string
	Digest digest.Digest
}

// Parse reads a name. It refuses what looks like an image ID (64 hex digits).
func Parse(s string) (Reference, error) {
	if len(s) > maxLength {
		return Reference{}, fmt.Errorf("%w: %d bytes long, the limit is %d", ErrInvalid, len(s), maxLength)
	}
	named, err := distref.ParseNormalizedNamed(s)
	if err != nil {
		return Reference{}, fmt.Errorf("%w %q: %w", ErrInvalid, s, err)
	}
	r := Reference{Domain: distref.Domain(named), Path: distref.Path(named)}
	if t, ok := named.(distref.Tagged); ok {
		r.Tag = t.Tag()
	}
	if d, ok := named.(distref.Digested); ok {
		r.Digest = d.Digest()
		if err := r.Digest.Validate(); err != nil {
			return Reference{}, fmt.Errorf("%w %q: %w", ErrInvalid, s, err)
		}
	}
	if r.Tag == "" && r.Digest == "" {
		r.Tag = "latest"
	}
	return r, nil
}

// Name is the full name without tag and digest: "docker.io/library/busybox".
func (r Reference) Name() string { return r.Domain + "/" + r.Path }

// Tagged is the full name with the tag. It is false if a digest decides what the reference means.
func (r Reference) Tagged() (string, bool) {
	if r.Digest != "" {
		return "", false
	}
	return r.Name() + ":" + r.Tag, true
}

// Canonical is the full name with the digest; "" if there is none.
func (r Reference) Canonical() string {
	if r.Digest == "" {
		return ""
	}
	return r.WithDigest(r.Digest)
}

// WithDigest is the full name with the digest d.
func (r Reference) WithDigest(d digest.Digest) string { return r.Name() + "@" + d.String() }

// Target is what a registry is asked for: the digest if there is one, else the tag.
func (r Reference) Target() string {
	if r.Digest != "" {
		return r.Digest.String()
	}
	return r.Tag
}

// String is the full form with all its parts.
func (r Reference) String() string {
	s := r.Name()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest.String()
	}
	return s
}
