// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// span reads a part of a blob, or all of it, through as many responses as it takes. It belongs to one goroutine, but for Close.
type span struct {
	repo   *Repository
	desc   Descriptor
	ctx    context.Context
	cancel context.CancelFunc
	offset int64 // of the next byte
	end    int64 // of the last byte, and one
	// ranged makes the first request one of a range too: it tells whether the host knows them.
	ranged bool
	// whole means that the host does not: the response goes on to the blob's end. longer: it goes on behind this span at least.
	whole, longer bool
	body          io.ReadCloser // of the current response; nil: none is open
	// reading is the current response's context; stop ends it.
	reading context.Context
	stop    context.CancelCauseFunc
	fails   int // consecutive responses that brought nothing
}

var errStalled = errors.New("nothing came for too long")

// open asks for the rest of the span. A bare transportError says that a host answered, but broke off before anything new came.
func (s *span) open() error {
	ctx, stop := context.WithCancelCause(s.ctx)
	q := request{
		op: "blob " + s.repo.ref.WithDigest(s.desc.Digest), method: http.MethodGet, path: "blobs/" + s.desc.Digest.String(),
		check: s.checkResponse, header: http.Header{"Accept": {"*/*"}},
	}
	if s.ranged || s.offset > 0 || s.end < s.desc.Size {
		q.header.Set("Range", s.wanted())
	}
	resp, _, err := s.repo.do(ctx, q)
	if err != nil {
		stop(nil)
		return err
	}
	s.body, s.reading, s.stop = resp.Body, ctx, stop
	s.whole = resp.StatusCode == http.StatusOK
	s.longer = s.longer || s.whole && s.end < s.desc.Size
	if s.whole && s.offset > 0 {
		// The host knows no ranges and starts over.
		if err := s.skip(s.offset); err != nil {
			s.closeBody()
			return &transportError{err}
		}
	}
	return nil
}

// wanted is the range that is to come. To the blob's end it is an open one, which every host knows.
func (s *span) wanted() string {
	if s.end == s.desc.Size && !s.ranged {
		return fmt.Sprintf("bytes=%d-", s.offset)
	}
	return fmt.Sprintf("bytes=%d-%d", s.offset, s.end-1)
}

// checkResponse refuses an answer that is not the part of the blob that was asked for.
func (s *span) checkResponse(resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		if n := resp.ContentLength; n >= 0 && n != s.desc.Size {
			return fmt.Errorf("%w: %d bytes, the manifest says %d", ErrDigest, n, s.desc.Size)
		}
		return nil
	}
	var first, last int64
	var total string
	n, _ := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%s", &first, &last, &total)
	if !s.ranged && s.offset == 0 && s.end == s.desc.Size || n < 2 || first != s.offset || last < s.end-1 || total != "" && total != "*" && total != fmt.Sprint(s.desc.Size) {
		return fmt.Errorf("content range %q is not the %s of %d that was asked for", printable(resp.Header.Get("Content-Range")), s.wanted(), s.desc.Size)
	}
	s.longer = last > s.end-1
	return nil
}

func (s *span) skip(n int64) error {
	buf := make([]byte, 64<<10)
	for n > 0 {
		m, err := s.readBody(buf[:min(n, int64(len(buf)))])
		n -= int64(m)
		if err != nil && n > 0 {
			return err
		}
	}
	return nil
}

// readBody is one read of the current response. It fails when nothing comes for the stall time: only waiting for the network
// counts, not the time between reads.
func (s *span) readBody(p []byte) (int, error) {
	stop := s.stop
	t := time.AfterFunc(s.repo.client.stall, func() { stop(errStalled) })
	defer t.Stop()
	n, err := s.body.Read(p)
	if err != nil && context.Cause(s.reading) == errStalled {
		err = errStalled
	}
	return n, err
}

func (s *span) Read(p []byte) (int, error) {
	for {
		if s.offset >= s.end {
			return 0, s.finish()
		}
		if s.body == nil {
			err := s.open()
			if broken, ok := err.(*transportError); ok { //nolint:errorlint // open's own, see there
				if err = s.again(broken.err); err == nil {
					continue
				}
			}
			if err != nil {
				return 0, err
			}
		}
		n, err := s.readBody(p[:min(int64(len(p)), s.end-s.offset)])
		s.offset += int64(n)
		if n > 0 {
			s.fails = 0
			if err != nil {
				s.closeBody()
			}
			return n, nil
		}
		if err == nil {
			continue
		}
		s.closeBody()
		if err := s.again(err); err != nil {
			return 0, err
		}
	}
}

// finish makes sure that nothing comes after the last byte, which also lets the connection be used again.
func (s *span) finish() error {
	if s.body == nil {
		return io.EOF
	}
	if s.longer {
		s.closeBody() // more comes, but of other parts
		return io.EOF
	}
	n, _ := s.readBody(make([]byte, 1))
	s.closeBody()
	if n > 0 {
		return fmt.Errorf("blob %s: %w: more than %d bytes", s.repo.ref.WithDigest(s.desc.Digest), ErrDigest, s.desc.Size)
	}
	return io.EOF
}

// again decides after a broken response whether to ask for the rest, and waits a moment.
func (s *span) again(err error) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	s.fails++
	if s.fails >= maxTries {
		return fmt.Errorf("blob %s: broken off at byte %d of %d: %w", s.repo.ref.WithDigest(s.desc.Digest), s.offset, s.desc.Size, &transportError{err})
	}
	s.repo.client.log.Info("download broken off, resuming", "image", s.repo.ref.Name(), "blob", s.desc.Digest, "offset", s.offset, "error", err)
	return pause(s.ctx, s.repo.client.pauseFor(s.fails, err))
}

func (s *span) closeBody() {
	if s.body != nil {
		s.body.Close()
		s.stop(nil)
		s.body = nil
	}
}

// Close ends the download. A Read that is under way fails.
func (s *span) Close() error {
	s.cancel()
	return nil
}
