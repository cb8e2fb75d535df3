// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
)

const (
	// defaultParallelFrom is the size, in bytes, from which a blob is worth several connections: below, their round trips cost
	// more than one stream's rate limit.
	defaultParallelFrom = 32 << 20
	// segmentSize is what one connection fetches ahead, in bytes, and holds in memory until its turn comes.
	segmentSize = 4 << 20
	// soloSize is how much is asked for at once while others hold the memory.
	soloSize = 32 << 20
	// maxAhead bounds the segments of one blob that are fetched ahead.
	maxAhead = 3
	// maxAheadAll bounds those of all blobs of a client: layers come side by side anyhow.
	maxAheadAll = 6
)

// parallel reads a blob in order through several connections: many registries and most content delivery networks limit each of
// them. The head is read as it comes; the segments behind it are fetched ahead into memory:
//
//	0             4             8             12            16 MiB
//	├──── head ───┼── ahead ────┼── ahead ────┼── ahead ────┼──── not begun ──
//	   ▲ next
//
// The first request tells whether the host knows ranges; else its response is the blob, as of one connection. A segment that
// cannot be fetched is read as a head when its turn comes, with all that a span knows against broken connections.
// It belongs to one goroutine, but for Close.
type parallel struct {
	repo   *Repository
	desc   Descriptor
	ctx    context.Context
	cancel context.CancelFunc

	next  int64 // offset of the next byte that Read returns
	begun int64 // where the first segment begins that nobody fetches yet
	head  *span // nil: the next byte is in a segment
	rest  []byte

	closing sync.Once

	// mu guards what follows, for Close.
	mu     sync.Mutex
	ahead  []*segment
	owner  *segment // of rest
	closed bool
}

// segment is a part of a blob that is fetched ahead.
type segment struct {
	start, end int64
	data       []byte
	done       chan struct{} // closed when data is complete, or err is set
	err        error
	release    func() // gives its place back; may be called again
}

// buffers are segments' memory, used again.
var buffers = sync.Pool{New: func() any { return new([segmentSize]byte) }}

func newParallel(ctx context.Context, cancel context.CancelFunc, r *Repository, d Descriptor) (*parallel, error) {
	p := &parallel{repo: r, desc: d, ctx: ctx, cancel: cancel}
	p.setHead(segmentSize)
	if err := p.head.open(); err != nil {
		cancel()
		return nil, err
	}
	p.takeWhole()
	p.extend()
	return p, nil
}

// setHead makes the next bytes, up to n, ones that are read as they come.
func (p *parallel) setHead(n int64) {
	p.head = &span{repo: p.repo, desc: p.desc, ctx: p.ctx, cancel: func() {}, offset: p.next, end: min(p.next+n, p.desc.Size), ranged: true}
	p.begun = max(p.begun, p.head.end)
}

// takeWhole goes on with the response of a host that knows no ranges, as far as nothing else fetches the rest.
func (p *parallel) takeWhole() {
	if p.head.whole && p.begun == p.head.end {
		p.head.end, p.begun, p.head.longer = p.desc.Size, p.desc.Size, false
	}
}

// extend begins segments while there is room for them.
func (p *parallel) extend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.closed && len(p.ahead) < maxAhead && p.begun < p.desc.Size {
		select {
		case p.repo.client.ahead <- struct{}{}:
		default:
			return
		}
		s := &segment{start: p.begun, end: min(p.begun+segmentSize, p.desc.Size), done: make(chan struct{})}
		s.release = sync.OnceFunc(func() { <-p.repo.client.ahead })
		p.begun, p.ahead = s.end, append(p.ahead, s)
		go p.fetch(s)
	}
}

var errNoRanges = errors.New("the host does not know ranges")

func (p *parallel) fetch(s *segment) {
	defer close(s.done)
	from := &span{repo: p.repo, desc: p.desc, ctx: p.ctx, cancel: func() {}, offset: s.start, end: s.end, ranged: true}
	defer from.closeBody()
	if s.err = from.open(); s.err != nil {
		return
	}
	if from.whole {
		s.err = errNoRanges // one host of several; all before the segment would be read for nothing
		return
	}
	s.data = buffers.Get().(*[segmentSize]byte)[:s.end-s.start]
	if _, s.err = io.ReadFull(from, s.data); s.err == nil {
		s.err = from.finish()
		if s.err == io.EOF { //nolint:errorlint // finish returns it bare
			s.err = nil
		}
	}
}

func (p *parallel) Read(b []byte) (int, error) {
	for {
		switch {
		case len(p.rest) > 0:
			n := copy(b, p.rest)
			if p.rest, p.next = p.rest[n:], p.next+int64(n); len(p.rest) == 0 {
				p.consumed()
			}
			return n, nil
		case p.head != nil:
			n, err := p.head.Read(b)
			p.next += int64(n)
			p.takeWhole()
			if errors.Is(err, io.EOF) && p.next < p.desc.Size && n == 0 {
				p.head = nil
				continue
			}
			return n, err
		case p.next >= p.desc.Size:
			return 0, io.EOF
		}
		if err := p.advance(); err != nil {
			return 0, err
		}
	}
}

// advance makes the next segment the one that is read, or a head if there is none.
func (p *parallel) advance() error {
	s := p.first()
	if s == nil {
		p.setHead(soloSize)
		p.extend()
		return nil
	}
	select {
	case <-s.done:
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return context.Canceled
	}
	p.ahead = slices.DeleteFunc(p.ahead, func(x *segment) bool { return x == s })
	if s.err != nil {
		s.release()
		p.setHead(s.end - s.start)
		return nil
	}
	p.rest, p.owner = s.data, s
	return nil
}

// consumed gives the memory of the segment back that has been read.
func (p *parallel) consumed() {
	p.mu.Lock()
	s := p.owner
	p.owner = nil
	p.mu.Unlock()
	buffers.Put((*[segmentSize]byte)(s.data[:segmentSize:segmentSize]))
	s.release()
	p.extend()
}

func (p *parallel) first() *segment {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ahead) == 0 {
		return nil
	}
	return p.ahead[0]
}

// Close ends the download. A Read that is under way fails. It waits until nothing is fetched ahead any more.
func (p *parallel) Close() error {
	p.closing.Do(p.end)
	return nil
}

func (p *parallel) end() {
	p.cancel()
	p.mu.Lock()
	p.closed = true
	left, read := p.ahead, p.owner
	p.ahead = nil
	p.mu.Unlock()
	if read != nil {
		read.release() // its memory may be being read
	}
	for _, s := range left {
		<-s.done
		s.release()
	}
}
