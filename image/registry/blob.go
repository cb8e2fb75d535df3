// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
)

// Descriptor names a blob.
type Descriptor struct {
	Digest digest.Digest
	Size   int64
}

// ReadBlob fetches a small blob whole and verifies it.
func (r *Repository) ReadBlob(ctx context.Context, d Descriptor, limit int64) ([]byte, error) {
	if d.Size > limit {
		return nil, fmt.Errorf("blob %s@%s: %w: %d bytes, the limit is %d", r.ref.Name(), d.Digest, ErrLimit, d.Size, limit)
	}
	if err := d.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrDigest, d.Digest, err)
	}
	body, err := r.Blob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	b, err := readAtMost(body, d.Size)
	if err != nil {
		return nil, fmt.Errorf("blob %s@%s: %w", r.ref.Name(), d.Digest, err)
	}
	if int64(len(b)) != d.Size || d.Digest.Algorithm().FromBytes(b) != d.Digest {
		return nil, fmt.Errorf("blob %s@%s: %w: %d bytes of %s came", r.ref.Name(), d.Digest, ErrDigest, len(b), d.Digest.Algorithm().FromBytes(b))
	}
	return b, nil
}

// Blob returns the blob's bytes, unverified. When the connection breaks or stalls, the reader goes on where it was
// with a range request, at the same host or the next that has the blob. A large blob comes through several connections
// where the host knows ranges (see parallel).
func (r *Repository) Blob(ctx context.Context, d Descriptor) (io.ReadCloser, error) {
	if d.Size < 0 {
		return nil, fmt.Errorf("blob %s@%s: %w: size %d", r.ref.Name(), d.Digest, ErrDigest, d.Size)
	}
	ctx, cancel := context.WithCancel(ctx)
	if d.Size >= r.client.parallelFrom {
		return newParallel(ctx, cancel, r, d)
	}
	s := &span{repo: r, desc: d, ctx: ctx, cancel: cancel, end: d.Size}
	if err := s.open(); err != nil {
		cancel()
		return nil, err
	}
	return s, nil
}
