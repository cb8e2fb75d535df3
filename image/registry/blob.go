// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

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
// with a range request, at the same host or the next that has the blob.
func (r *Repository) Blob(ctx context.Context, d Descriptor) (io.ReadCloser, error) {
	if d.Size < 0 {
		return nil, fmt.Errorf("blob %s@%s: %w: size %d", r.ref.Name(), d.Digest, ErrDigest, d.Size)
	}
	ctx, cancel := context.WithCancel(ctx)
	b := &blob{repo: r, desc: d, ctx: ctx, cancel: cancel}
	if err := b.open(); err != nil {
		cancel()
		return nil, err
	}
	return b, nil
}

// blob reads one blob through as many responses as it takes. It belongs to one goroutine, but for Close.
type blob struct {
	repo   *Repository
	desc   Descriptor
	ctx    context.Context
	cancel context.CancelFunc
	offset int64         // bytes handed out
	body   io.ReadCloser // of the current response; nil: none is open
	// reading is the current response's context; stop ends it.
	reading context.Context
	stop    context.CancelCauseFunc
	fails   int // consecutive responses that brought nothing
}

var errStalled = errors.New("nothing came for too long")

// open asks for the rest of the blob. A bare transportError says that a host answered, but broke off before anything new came.
func (b *blob) open() error {
	ctx, stop := context.WithCancelCause(b.ctx)
	q := request{
		op: "blob " + b.repo.ref.WithDigest(b.desc.Digest), method: http.MethodGet, path: "blobs/" + b.desc.Digest.String(),
		check: b.checkResponse, header: http.Header{"Accept": {"*/*"}},
	}
	if b.offset > 0 {
		q.header.Set("Range", fmt.Sprintf("bytes=%d-", b.offset))
	}
	resp, _, err := b.repo.do(ctx, q)
	if err != nil {
		stop(nil)
		return err
	}
	b.body, b.reading, b.stop = resp.Body, ctx, stop
	if resp.StatusCode == http.StatusOK && b.offset > 0 {
		// The host knows no ranges and starts over.
		if err := b.skip(b.offset); err != nil {
			b.closeBody()
			return &transportError{err}
		}
	}
	return nil
}

// checkResponse refuses an answer that is not the part of the blob that was asked for.
func (b *blob) checkResponse(resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		if n := resp.ContentLength; n >= 0 && n != b.desc.Size {
			return fmt.Errorf("%w: %d bytes, the manifest says %d", ErrDigest, n, b.desc.Size)
		}
		return nil
	}
	var first, last int64
	var total string
	n, _ := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%s", &first, &last, &total)
	if b.offset == 0 || n < 2 || first != b.offset || last != b.desc.Size-1 || total != "" && total != "*" && total != fmt.Sprint(b.desc.Size) {
		return fmt.Errorf("content range %q is not the %d- of %d that was asked for", printable(resp.Header.Get("Content-Range")), b.offset, b.desc.Size)
	}
	return nil
}

func (b *blob) skip(n int64) error {
	buf := make([]byte, 64<<10)
	for n > 0 {
		m, err := b.readBody(buf[:min(n, int64(len(buf)))])
		n -= int64(m)
		if err != nil && n > 0 {
			return err
		}
	}
	return nil
}

// readBody is one read of the current response. It fails when nothing comes for the stall time: only waiting for the network
// counts, not the time between reads.
func (b *blob) readBody(p []byte) (int, error) {
	stop := b.stop
	t := time.AfterFunc(b.repo.client.stall, func() { stop(errStalled) })
	defer t.Stop()
	n, err := b.body.Read(p)
	if err != nil && context.Cause(b.reading) == errStalled {
		err = errStalled
	}
	return n, err
}

func (b *blob) Read(p []byte) (int, error) {
	for {
		if b.offset >= b.desc.Size {
			return 0, b.finish()
		}
		if b.body == nil {
			err := b.open()
			if broken, ok := err.(*transportError); ok { //nolint:errorlint // open's own, see there
				if err = b.again(broken.err); err == nil {
					continue
				}
			}
			if err != nil {
				return 0, err
			}
		}
		n, err := b.readBody(p[:min(int64(len(p)), b.desc.Size-b.offset)])
		b.offset += int64(n)
		if n > 0 {
			b.fails = 0
			if err != nil {
				b.closeBody()
			}
			return n, nil
		}
		if err == nil {
			continue
		}
		b.closeBody()
		if err := b.again(err); err != nil {
			return 0, err
		}
	}
}

// finish makes sure that nothing comes after the last byte, which also lets the connection be used again.
func (b *blob) finish() error {
	if b.body == nil {
		return io.EOF
	}
	n, _ := b.readBody(make([]byte, 1))
	b.closeBody()
	if n > 0 {
		return fmt.Errorf("blob %s: %w: more than %d bytes", b.repo.ref.WithDigest(b.desc.Digest), ErrDigest, b.desc.Size)
	}
	return io.EOF
}

// again decides after a broken response whether to ask for the rest, and waits a moment.
func (b *blob) again(err error) error {
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	b.fails++
	if b.fails >= maxTries {
		return fmt.Errorf("blob %s: broken off at byte %d of %d: %w", b.repo.ref.WithDigest(b.desc.Digest), b.offset, b.desc.Size, &transportError{err})
	}
	b.repo.client.log.Info("download broken off, resuming", "image", b.repo.ref.Name(), "blob", b.desc.Digest, "offset", b.offset, "error", err)
	return pause(b.ctx, b.repo.client.pauseFor(b.fails, err))
}

func (b *blob) closeBody() {
	if b.body != nil {
		b.body.Close()
		b.stop(nil)
		b.body = nil
	}
}

// Close ends the download. A Read that is under way fails.
func (b *blob) Close() error {
	b.cancel()
	return nil
}
