// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"context"
	"io"
)

const (
	chunkSize  = 256 << 10
	chunkCount = 4
)

// pipe hands the archive in chunks from the goroutine that decompresses to the one that unpacks, so that they run side by side.
// The chunks go round: free → buffer, fill, write → full → Read → free.
type pipe struct {
	ctx     context.Context
	free    chan []byte
	full    chan []byte
	written chan struct{} // closed with full; err is set before
	err     error         // what Read returns at the end, io.EOF if all went well

	chunk []byte // being read
	rest  []byte // of chunk
}

func newPipe(ctx context.Context) *pipe {
	p := &pipe{ctx: ctx, free: make(chan []byte, chunkCount), full: make(chan []byte, chunkCount), written: make(chan struct{})}
	for range chunkCount {
		p.free <- nil
	}
	return p
}

// buffer waits for a chunk to fill.
func (p *pipe) buffer() ([]byte, error) {
	select {
	case b := <-p.free:
		if b == nil {
			b = make([]byte, chunkSize) // small layers never need the second
		}
		return b[:chunkSize], nil
	case <-p.ctx.Done():
		return nil, context.Cause(p.ctx)
	}
}

func (p *pipe) write(b []byte) error {
	select {
	case p.full <- b:
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
}

// closeWrite ends the pipe. The reader gets what is in it, then err, or io.EOF for nil.
func (p *pipe) closeWrite(err error) {
	if p.err = err; err == nil {
		p.err = io.EOF
	}
	close(p.full)
	close(p.written)
}

func (p *pipe) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.chunk != nil {
			p.free <- p.chunk
			p.chunk = nil
		}
		var ok bool
		if p.chunk, ok = <-p.full; !ok {
			return 0, p.err
		}
		p.rest = p.chunk
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
