// SPDX-License-Identifier: Apache-2.0

package image

import (
	"cmp"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// PullProgress is how far a pull has come.
type PullProgress struct {
	Ref     string    // the full name
	Begun   time.Time // of the job, which callers join
	Stage   string    // "asking the registry", "fetching layers", "making durable"
	Layers  []LayerProgress
	Done    int64 // bytes that have come, of all layers
	Total   int64 // bytes to come in all; 0 until the manifest is there
	Callers int   // who wait for it
}

// LayerProgress is how far a layer has come. A layer that several pulls want is fetched once, and stands in each of them.
type LayerProgress struct {
	Digest digest.Digest // of the blob
	Size   int64         // bytes
	Done   int64
	Here   bool          // unpacked; Done is Size then, also if it was here before
	Idle   time.Duration // since bytes came last, while it is being fetched; 0 while it waits for its turn
}

// Rate is the mean so far, in bytes a second.
func (p *PullProgress) Rate(now time.Time) float64 {
	if d := now.Sub(p.Begun).Seconds(); d > 0 {
		return float64(p.Done) / d
	}
	return 0
}

// Pulls tells of the pulls under way, by name.
func (s *Store) Pulls() []PullProgress {
	now := time.Now()
	var all []PullProgress
	for _, j := range s.pulls.all() {
		p := j.progress.look(now)
		p.Callers = j.callers
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b PullProgress) int { return cmp.Or(cmp.Compare(a.Ref, b.Ref), a.Begun.Compare(b.Begun)) })
	return all
}

// progress is a pull's, while it runs.
type progress struct {
	ref   string
	begun time.Time

	// mu guards what follows.
	mu     sync.Mutex
	stage  string
	layers []*transfer
}

// transfer is a layer's, which pulls may share.
type transfer struct {
	digest digest.Digest
	size   int64
	done   atomic.Int64
	here   atomic.Bool
	last   atomic.Int64 // nanoseconds since 1970 of the last bytes; 0: none yet
}

func (p *progress) enter(stage string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage = stage
}

// fetching says which layers are to come.
func (p *progress) fetching(layers []*transfer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage, p.layers = "fetching layers", layers
}

func (p *progress) look(now time.Time) PullProgress {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := PullProgress{Ref: p.ref, Begun: p.begun, Stage: p.stage}
	for _, t := range p.layers {
		l := LayerProgress{Digest: t.digest, Size: t.size, Done: t.done.Load(), Here: t.here.Load()}
		if last := t.last.Load(); last > 0 && !l.Here {
			l.Idle = now.Sub(time.Unix(0, last))
		}
		if l.Here {
			l.Done = l.Size
		}
		out.Layers = append(out.Layers, l)
		out.Done += l.Done
		out.Total += l.Size
	}
	return out
}

// transfers are those of all pulls, by diff ID.
type transfers struct {
	// mu guards byID.
	mu   sync.Mutex
	byID map[digest.Digest]*sharedTransfer
}

type sharedTransfer struct {
	transfer
	users int
}

// take is the transfer of a layer, for one more pull.
func (t *transfers) take(diffID digest.Digest, l ocispec.Descriptor) *transfer {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.byID[diffID]
	if s == nil {
		s = &sharedTransfer{transfer: transfer{digest: l.Digest, size: l.Size}}
		if t.byID == nil {
			t.byID = map[digest.Digest]*sharedTransfer{}
		}
		t.byID[diffID] = s
	}
	s.users++
	return &s.transfer
}

// drop gives it back.
func (t *transfers) drop(diffID digest.Digest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.byID[diffID]; s != nil {
		if s.users--; s.users == 0 {
			delete(t.byID, diffID)
		}
	}
}

// of counts a blob that begins to come, from its beginning.
func (t *transfer) of(blob io.ReadCloser) io.ReadCloser {
	t.done.Store(0)
	t.last.Store(time.Now().UnixNano())
	return &counted{blob, t}
}

type counted struct {
	io.ReadCloser
	t *transfer
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	if n > 0 {
		c.t.done.Add(int64(n))
		c.t.last.Store(time.Now().UnixNano())
	}
	return n, err
}
