// SPDX-License-Identifier: Apache-2.0

package layerstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"crisp/image/layer"
)

// Build fills the empty directory root with a layer. It must end when its context does.
type Build func(ctx context.Context, root *os.File) (layer.Summary, error)

// flight is a build under way. waiters is guarded by the store's mutex; err is set before done is closed.
type flight struct {
	waiters int
	cancel  context.CancelCauseFunc
	done    chan struct{}
	err     error
}

// Acquire makes sure that the layer is unpacked and takes a reference to it. If it is missing, build makes it, or the build
// of another caller that came first. A build goes on while anybody waits for it, and ends when nobody does any more.
func (s *Store) Acquire(ctx context.Context, id digest.Digest, build Build) error {
	for {
		f, mine := s.join(id, build)
		if f == nil {
			return nil
		}
		select {
		case <-f.done:
			s.leave(f)
		case <-ctx.Done():
			s.leave(f)
			return context.Cause(ctx)
		}
		if f.err != nil && (mine || s.ctx.Err() != nil) {
			return f.err
		}
		// Somebody else's build may have failed for a reason of its own, its credentials say: then this caller tries.
	}
}

// join takes a reference if the layer is there and returns nil, or returns the flight to wait for, and whether it is this caller's own.
func (s *Store) join(id digest.Digest, build Build) (_ *flight, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.layers[id]
	switch {
	case s.ctx.Err() != nil:
		f := &flight{done: make(chan struct{}), err: errClosed, cancel: func(error) {}}
		close(f.done)
		return f, true
	case e != nil && e.flight == nil:
		e.ref()
		return nil, false
	case e == nil:
		mine = true
		ctx, cancel := context.WithCancelCause(s.ctx)
		f := &flight{done: make(chan struct{}), cancel: cancel}
		e = &entry{id: id, flight: f}
		s.layers[id] = e
		s.inBackground(func(context.Context) { s.run(ctx, e, f, build) })
	}
	e.flight.waiters++
	return e.flight, mine
}

func (s *Store) leave(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.waiters--; f.waiters <= 0 {
		f.cancel(context.Canceled)
	}
}

func (e *entry) ref() {
	e.refs++
	if e.expiry != nil {
		e.expiry.Stop()
		e.expiry = nil
	}
}

// run carries out a flight and turns its entry into an unpacked layer, or removes it.
func (s *Store) run(ctx context.Context, e *entry, f *flight, build Build) {
	dir := filepath.Join(s.root, "tmp", rand.Text())
	sum, err := s.build(ctx, e.id, dir, build)
	if err != nil {
		s.discard(dir)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f.err = err
	e.flight = nil
	if err != nil {
		delete(s.layers, e.id)
	} else {
		e.dir, e.sum = dir, sum
		s.bytes += sum.Bytes
		s.inodes += sum.Inodes
		s.expireLater(e)
	}
	close(f.done)
}

func (s *Store) build(ctx context.Context, id digest.Digest, dir string, build Build) (sum layer.Summary, err error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return sum, context.Cause(ctx)
	}
	s.step.Take("layer: make its directory")
	tree := filepath.Join(dir, treeName)
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return sum, err
	}
	if err := os.Chmod(tree, 0o755); err != nil { // whatever the umask is: this is "/" of containers
		return sum, err
	}
	root, err := os.Open(tree)
	if err != nil {
		return sum, err
	}
	defer root.Close()
	s.step.Take("layer: unpack")
	if sum, err = build(ctx, root); err != nil {
		return sum, err
	}
	s.step.Take("layer: write its record")
	if err := writeRecord(dir, id, sum); err != nil {
		return sum, fmt.Errorf("record of layer %s: %w", id, err)
	}
	return sum, nil
}

// discard deletes a directory that nobody knows, in the background.
func (s *Store) discard(dir string) {
	if err := s.trash.throw(dir); err != nil {
		s.log.Error("cannot move to the trash", "directory", dir, "error", err)
		return
	}
	s.inBackground(s.trash.empty)
}
