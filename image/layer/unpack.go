// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
)

// Source is a layer blob and what it must be.
type Source struct {
	// Blob is read once, to its end, and closed. Its reads must end when the context does.
	Blob io.ReadCloser
	// Digest and Size are the blob's, from the manifest.
	Digest digest.Digest
	Size   int64
	// DiffID is the digest of the uncompressed archive, from the config.
	DiffID digest.Digest
}

// Unpack reads the blob in one pass into the empty directory root: it hashes it, decompresses it, hashes the archive and unpacks it.
// Nothing of it may be used before Unpack has returned nil: only then both digests are right.
//
//	blob ─▶ count, hash ─▶ gunzip ─▶ limit, hash ─┆ chunks ┆─▶ tar ─▶ files
//	        └──────────── one goroutine ─────────┘          └─ caller's ┘
func Unpack(ctx context.Context, src Source, root *os.File, lim Limits) (Summary, error) {
	defer src.Blob.Close()
	blob, err := newVerifier(src.Blob, src.Digest)
	if err != nil {
		return Summary{}, err
	}
	blob.isBlob, blob.max = true, src.Size
	archive, err := newVerifier(nil, src.DiffID)
	if err != nil {
		return Summary{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	chunks := newPipe(ctx)
	go func() { chunks.closeWrite(pump(chunks, blob, archive, lim)) }()
	sum, err := Apply(ctx, root, chunks, lim)
	if err == nil {
		// The archive's end is two blocks of zeros; what follows (padding) belongs to the digests too.
		_, err = io.Copy(io.Discard, chunks)
	}
	cancel()
	src.Blob.Close() // wakes a read that is under way after an error
	<-chunks.written
	if err != nil {
		return sum, err
	}
	if blob.n != src.Size {
		return sum, fmt.Errorf("%w: blob %s has %d bytes, not %d", ErrDigest, src.Digest, blob.n, src.Size)
	}
	if err := blob.verify(); err != nil {
		return sum, fmt.Errorf("blob: %w", err)
	}
	if err := archive.verify(); err != nil {
		return sum, fmt.Errorf("diff ID: %w", err)
	}
	return sum, nil
}

// pump moves the archive into chunks and leaves blob read to its end.
func pump(chunks *pipe, blob, archive *verifier, lim Limits) error {
	plain, err := decompress(blob)
	if err != nil {
		return err
	}
	defer plain.Close()
	archive.r = plain
	for {
		buf, err := chunks.buffer()
		if err != nil {
			return err
		}
		n, err := fill(archive, buf)
		if err == nil || errors.Is(err, io.EOF) {
			if lerr := checkSize(archive.n, blob.n, lim); lerr != nil {
				return lerr
			}
		}
		if werr := chunks.write(buf[:n]); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) {
			// The decoder may stop before the blob's last bytes.
			_, err = io.Copy(io.Discard, blob)
			return err
		}
		if err != nil {
			return err
		}
	}
}

func checkSize(plain, packed int64, lim Limits) error {
	if plain > lim.Bytes {
		return fmt.Errorf("%w: more than %d bytes uncompressed", ErrLimit, lim.Bytes)
	}
	if plain > lim.RatioFrom && plain/max(packed, 1) > lim.Ratio {
		return fmt.Errorf("%w: %d bytes decompress to %d and more", ErrLimit, packed, plain)
	}
	return nil
}

// blobError marks an error of the blob's reader: a broken connection, say, which is not the layer's fault.
type blobError struct{ err error }

func (e *blobError) Error() string { return "read blob: " + e.err.Error() }
func (e *blobError) Unwrap() error { return e.err }

// verifier hashes and counts what is read through it.
type verifier struct {
	r    io.Reader
	want digest.Digest
	hash hash.Hash
	n    int64

	isBlob bool
	max    int64 // bytes that a blob may have
}

func newVerifier(r io.Reader, want digest.Digest) (*verifier, error) {
	if err := want.Validate(); err != nil {
		return nil, fmt.Errorf("%w: digest %q: %w", ErrFormat, want, err)
	}
	return &verifier{r: r, want: want, hash: want.Algorithm().Hash()}, nil
}

func (v *verifier) Read(b []byte) (int, error) {
	n, err := v.r.Read(b)
	v.n += int64(n)
	v.hash.Write(b[:n])
	if v.isBlob && v.n > v.max {
		return n, fmt.Errorf("%w: blob %s has more than its %d bytes", ErrDigest, v.want, v.max)
	}
	if v.isBlob && err != nil && !errors.Is(err, io.EOF) {
		err = &blobError{err}
	}
	return n, err
}

func (v *verifier) verify() error {
	if got := digest.NewDigest(v.want.Algorithm(), v.hash); got != v.want {
		return fmt.Errorf("%w: it is %s, not %s", ErrDigest, got, v.want)
	}
	return nil
}
