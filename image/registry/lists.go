// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	// maxEntries bounds what a list may have in all, maxPages the requests for it, maxPage the bytes of one answer.
	maxEntries = 1 << 18
	maxPages   = 4096
	maxPage    = 8 << 20
)

// Tags lists the repository's tags in the registry's order (distribution-spec, "Listing Tags").
func (r *Repository) Tags(ctx context.Context) ([]string, error) {
	var tags []string
	q := request{op: "list tags of " + r.ref.Name(), method: http.MethodGet, path: "tags/list", resolve: true}
	err := r.pages(ctx, q, func(body []byte) error {
		var page struct {
			Tags []string `json:"tags"`
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return err
		}
		if tags = append(tags, page.Tags...); len(tags) > maxEntries {
			return fmt.Errorf("%w: more than %d tags", ErrLimit, maxEntries)
		}
		return nil
	})
	return tags, err
}

// pages makes a request and those for the pages that follow.
func (r *Repository) pages(ctx context.Context, q request, read func(body []byte) error) error {
	for range maxPages {
		resp, h, err := r.do(ctx, q)
		if err != nil {
			return err
		}
		body, err := readAtMost(resp.Body, maxPage)
		resp.Body.Close()
		if err == nil {
			err = read(body)
		}
		if err == nil {
			q.url, err = nextPage(resp)
		}
		if err == nil && q.url != nil && !sameOrigin(q.url, h.config.url) {
			err = fmt.Errorf("the next page is at another host, %s", printable(q.url.Host))
		}
		if err != nil {
			return &Error{Op: q.op, Attempts: []Attempt{{h.name, err}}}
		}
		if q.url == nil {
			return nil
		}
	}
	return fmt.Errorf("%s: %w: more than %d pages", q.op, ErrLimit, maxPages)
}

// nextPage is the URL of a Link header with rel="next" (RFC 8288); nil if there is none.
func nextPage(resp *http.Response) (*url.URL, error) {
	for _, link := range resp.Header.Values("Link") {
		target, params, ok := strings.Cut(link, ">")
		target, angle := strings.CutPrefix(strings.TrimSpace(target), "<")
		if !ok || !angle || !strings.Contains(strings.ReplaceAll(params, `"`, ""), "rel=next") {
			continue
		}
		u, err := resp.Request.URL.Parse(target)
		if err != nil {
			return nil, fmt.Errorf("link to the next page: %w", err)
		}
		return u, nil
	}
	return nil, nil
}

// Referrers lists the manifests that name d as their subject, of one artifact type or, if that is "", of all. A host that
// does not know the request is asked for the tag that stands for it (distribution-spec, "Listing Referrers" and "Referrers Tag Schema").
func (r *Repository) Referrers(ctx context.Context, d digest.Digest, artifactType string) ([]ocispec.Descriptor, error) {
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("referrers of %s: %w: %w", printable(d.String()), ErrDigest, err)
	}
	var found []ocispec.Descriptor
	read := func(body []byte) error {
		var index ocispec.Index
		if err := json.Unmarshal(body, &index); err != nil {
			return err
		}
		for _, m := range index.Manifests {
			if artifactType == "" || m.ArtifactType == artifactType {
				found = append(found, m)
			}
		}
		if len(found) > maxEntries {
			return fmt.Errorf("%w: more than %d referrers", ErrLimit, maxEntries)
		}
		return nil
	}
	q := request{
		op: "list referrers of " + r.ref.WithDigest(d), method: http.MethodGet, path: "referrers/" + d.String(),
		header: http.Header{"Accept": {MediaTypeIndex}},
	}
	err := r.pages(ctx, q, read)
	if !errors.Is(err, ErrNotFound) {
		return found, err
	}
	m, err := r.Manifest(ctx, strings.Replace(d.String(), ":", "-", 1))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return found, read(m.Bytes)
}
