// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
)

// MaxManifest is the largest manifest or index taken: registries should take 4 MiB (distribution-spec, "Pushing Manifests").
const MaxManifest = 4 << 20

// Media types of what a tag may mean.
const (
	MediaTypeIndex       = "application/vnd.oci.image.index.v1+json"
	MediaTypeManifest    = "application/vnd.oci.image.manifest.v1+json"
	MediaTypeDockerList  = "application/vnd.docker.distribution.manifest.list.v2+json"
	MediaTypeDockerImage = "application/vnd.docker.distribution.manifest.v2+json"
)

var acceptManifests = strings.Join([]string{MediaTypeIndex, MediaTypeDockerList, MediaTypeManifest, MediaTypeDockerImage, "*/*"}, ", ")

// Manifest is a manifest or index as it came, with the digest of its bytes.
type Manifest struct {
	Bytes     []byte
	Digest    digest.Digest
	MediaType string // the Content-Type
}

func (r *Repository) manifestRequest(verb, method, target string) request {
	return request{
		op: verb + " " + r.named(target), method: method, path: "manifests/" + target,
		header:  http.Header{"Accept": {acceptManifests}},
		resolve: !isDigest(target),
	}
}

func (r *Repository) named(target string) string {
	if isDigest(target) {
		return r.ref.Name() + "@" + target
	}
	return r.ref.Name() + ":" + target
}

func isDigest(target string) bool { return strings.Contains(target, ":") }

// Resolve asks what digest a tag or digest has now, without fetching the manifest. "" means that no host could say so this way:
// Manifest then says it, or why not.
func (r *Repository) Resolve(ctx context.Context, target string) (digest.Digest, error) {
	resp, _, err := r.do(ctx, r.manifestRequest("resolve", http.MethodHead, target))
	if err != nil {
		return "", err
	}
	resp.Body.Close()
	d := digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	if d.Validate() != nil {
		return "", nil
	}
	if isDigest(target) && d.String() != target {
		return "", nil
	}
	return d, nil
}

// Manifest fetches the manifest or index of a tag or digest and verifies it as far as the target allows.
func (r *Repository) Manifest(ctx context.Context, target string) (Manifest, error) {
	q := r.manifestRequest("manifest", http.MethodGet, target)
	resp, h, err := r.do(ctx, q)
	if err != nil {
		return Manifest{}, err
	}
	defer resp.Body.Close()
	b, err := readAtMost(resp.Body, MaxManifest)
	if err != nil {
		return Manifest{}, &Error{Op: q.op, Attempts: []Attempt{{h.name, err}}}
	}
	m := Manifest{Bytes: b, MediaType: resp.Header.Get("Content-Type")}
	if m.Digest, err = verifyManifest(b, target, resp.Header.Get("Docker-Content-Digest")); err != nil {
		return Manifest{}, &Error{Op: q.op, Attempts: []Attempt{{h.name, err}}}
	}
	return m, nil
}

// verifyManifest checks the bytes against the digest that was asked for, or for a tag against the one the host claims.
func verifyManifest(b []byte, target, claimed string) (digest.Digest, error) {
	want := digest.Digest(target)
	if !isDigest(target) {
		if want = digest.Digest(claimed); want.Validate() != nil {
			return digest.FromBytes(b), nil
		}
	}
	if err := want.Validate(); err != nil {
		return "", fmt.Errorf("%w: %q: %w", ErrDigest, want, err)
	}
	if got := want.Algorithm().FromBytes(b); got != want {
		return "", fmt.Errorf("%w: the manifest is %s, not %s", ErrDigest, got, want)
	}
	return want, nil
}
