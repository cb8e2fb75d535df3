// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Magic numbers at the start of a layer blob. The descriptor's media type is not asked: it is sometimes wrong, the blob never is.
var (
	magicGzip  = []byte{0x1f, 0x8b}
	magicZstd  = []byte{0x28, 0xb5, 0x2f, 0xfd}
	magicBzip2 = []byte("BZh")
	magicXz    = []byte{0xfd, '7', 'z', 'X', 'Z', 0}
)

// decompress returns the uncompressed content of blob: gzip (all members), zstd (all frames), or blob as it is. Close frees the
// decoder, not blob.
func decompress(blob io.Reader) (io.ReadCloser, error) {
	r := bufio.NewReaderSize(blob, 64<<10)
	head, err := r.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, magicGzip):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, compressionError("gzip", err)
		}
		return &decoder{kind: "gzip", r: z, close: func() { z.Close() }}, nil
	case bytes.HasPrefix(head, magicZstd) || isSkippableFrame(head):
		return newZstd(r)
	case bytes.HasPrefix(head, magicBzip2):
		return nil, fmt.Errorf("%w: bzip2 is no layer compression", ErrFormat)
	case bytes.HasPrefix(head, magicXz):
		return nil, fmt.Errorf("%w: xz is no layer compression", ErrFormat)
	}
	return io.NopCloser(r), nil
}

// zstdDecoders are used again: each has a window of up to some MiB, and layers come in parallel.
var zstdDecoders sync.Pool

func newZstd(r io.Reader) (io.ReadCloser, error) {
	z, ok := zstdDecoders.Get().(*zstd.Decoder)
	var err error
	if ok {
		err = z.Reset(r)
	} else {
		z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
	}
	if err != nil {
		return nil, compressionError("zstd", err)
	}
	return &decoder{kind: "zstd", r: z, close: func() {
		if z.Reset(nil) == nil {
			zstdDecoders.Put(z)
		}
	}}, nil
}

// isSkippableFrame: a zstd stream may begin with one (RFC 8878, 3.1.2).
func isSkippableFrame(b []byte) bool {
	return len(b) >= 4 && b[0]&0xf0 == 0x50 && b[1] == 0x2a && b[2] == 0x4d && b[3] == 0x18
}

// decoder names the compression in its errors and tells a torn or broken stream from an error of the blob's reader.
type decoder struct {
	kind  string
	r     io.Reader
	close func()
}

func (d *decoder) Read(b []byte) (int, error) {
	n, err := d.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = compressionError(d.kind, err)
	}
	return n, err
}

func (d *decoder) Close() error {
	d.close()
	return nil
}

func compressionError(kind string, err error) error {
	if _, ok := errors.AsType[*blobError](err); ok {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrFormat, kind, err)
}
