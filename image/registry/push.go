// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
)

// Exists says whether the registry's own host has a blob (distribution-spec, "Checking if content exists in the registry").
func (r *Repository) Exists(ctx context.Context, d digest.Digest) (bool, error) {
	resp, _, err := r.do(ctx, request{op: "look for blob " + r.ref.WithDigest(d), method: http.MethodHead, path: "blobs/" + d.String(), push: true})
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			return false, nil
		}
		return false, err
	}
	resp.Body.Close()
	return true, nil
}

// PushBlob gives a blob to the registry's own host unless it is there; pushed tells whether bytes had to be sent. open returns the
// blob from its beginning, and is called again when a try has failed. from, if set, is a repository of the same registry that has the
// blob: it is mounted from there if the host can (distribution-spec, "Pushing blobs" and "Mounting a blob from another repository").
func (r *Repository) PushBlob(ctx context.Context, d Descriptor, from string, open func() (io.ReadCloser, error)) (pushed bool, err error) {
	there, err := r.Exists(ctx, d.Digest)
	if err != nil || there {
		return false, err
	}
	var location *url.URL
	var refused error // of startUpload, which has been repeated already
	err = r.client.retry(ctx, maxTries, func() error {
		if location, refused = r.startUpload(ctx, d, from); refused != nil || location == nil {
			return nil
		}
		return r.upload(ctx, d, location, open)
	})
	if err = cmp.Or(refused, err); err != nil || location == nil {
		return false, err
	}
	return true, nil
}

// startUpload asks for a place to put the blob; nil if it has been mounted instead.
func (r *Repository) startUpload(ctx context.Context, d Descriptor, from string) (*url.URL, error) {
	path := "blobs/uploads/"
	if from != "" {
		path += "?" + url.Values{"mount": {d.Digest.String()}, "from": {from}}.Encode()
	}
	resp, _, err := r.do(ctx, request{
		op: "begin upload of " + r.ref.WithDigest(d.Digest), method: http.MethodPost, path: path, push: true,
		good: []int{http.StatusAccepted, http.StatusCreated},
	})
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusCreated {
		return nil, nil
	}
	location, err := resp.Location()
	if err != nil {
		return nil, fmt.Errorf("begin upload of %s: the host names no location: %w", r.ref.WithDigest(d.Digest), err)
	}
	return location, nil
}

// upload sends the blob in one request, once: a place that has got a part of it may be of no use any more.
func (r *Repository) upload(ctx context.Context, d Descriptor, location *url.URL, open func() (io.ReadCloser, error)) error {
	query := location.Query()
	query.Set("digest", d.Digest.String())
	location.RawQuery = query.Encode()
	h := r.hosts[len(r.hosts)-1]
	resp, err := r.once(ctx, h, request{
		method: http.MethodPut, url: location, push: true, body: open, size: d.Size, good: []int{http.StatusCreated},
		header: http.Header{"Content-Type": {"application/octet-stream"}},
	})
	if err != nil {
		return &Error{Op: "upload " + r.ref.WithDigest(d.Digest), Attempts: []Attempt{{h.name, err}}}
	}
	return resp.Body.Close()
}

// PushManifest gives a manifest or index to the registry's own host, under a tag or its digest, and returns its digest.
// What it names must be there already.
func (r *Repository) PushManifest(ctx context.Context, target, mediaType string, manifest []byte) (digest.Digest, error) {
	d := digest.FromBytes(manifest)
	if isDigest(target) {
		if want := digest.Digest(target); want.Validate() != nil || want.Algorithm().FromBytes(manifest) != want {
			return "", fmt.Errorf("push manifest %s: %w: its bytes are %s", r.named(target), ErrDigest, d)
		}
	}
	resp, h, err := r.do(ctx, request{
		op: "push manifest " + r.named(target), method: http.MethodPut, path: "manifests/" + target, push: true,
		body: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(manifest)), nil }, size: int64(len(manifest)),
		header: http.Header{"Content-Type": {mediaType}}, good: []int{http.StatusCreated, http.StatusOK},
	})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if got := digest.Digest(resp.Header.Get("Docker-Content-Digest")); got != "" && got.Validate() == nil && got.Algorithm() == d.Algorithm() && got != d {
		return "", fmt.Errorf("push manifest %s: %w: %s has taken it as %s, not %s", r.named(target), ErrDigest, h.name, printable(got.String()), d)
	}
	return d, nil
}
