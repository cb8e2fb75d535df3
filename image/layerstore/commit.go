// SPDX-License-Identifier: Apache-2.0

package layerstore

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// Commit makes the layers durable, whose references the caller has. When it returns nil, they survive a power cut.
func (s *Store) Commit(ids []digest.Digest) error {
	s.committing.Lock()
	defer s.committing.Unlock()
	fresh, err := s.uncommitted(ids)
	if err != nil || len(fresh) == 0 {
		return err
	}
	dir, err := os.Open(filepath.Join(s.root, "layers"))
	if err != nil {
		return err
	}
	defer dir.Close()
	// The data first: a name must never stand for half a layer (containerd#5854, #10457).
	s.step.Take("commit: sync the data")
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("syncfs %s: %w", s.root, err)
	}
	for _, e := range fresh {
		to := filepath.Join(s.root, "layers", dirName(e.id))
		if err := s.trash.throw(to); err != nil { // what no entry owns
			return fmt.Errorf("commit layer: %w", err)
		}
		s.step.Take("commit: rename a layer")
		if err := os.Rename(e.dir, to); err != nil {
			return fmt.Errorf("commit layer: %w", err)
		}
		s.mu.Lock()
		e.dir, e.committed = to, true
		s.mu.Unlock()
	}
	s.step.Take("commit: sync the directory")
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", dir.Name(), err)
	}
	return nil
}

func (s *Store) uncommitted(ids []digest.Digest) ([]*entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fresh []*entry
	for _, id := range ids {
		e := s.layers[id]
		if e == nil || e.flight != nil || e.refs == 0 {
			return nil, fmt.Errorf("commit: %w: %s", ErrAbsent, id)
		}
		if !e.committed && !slices.Contains(fresh, e) {
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}

// Retain takes a reference to each of the layers, or to none if one of them is missing.
func (s *Store) Retain(ids []digest.Digest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if e := s.layers[id]; e == nil || e.flight != nil {
			return fmt.Errorf("%w: %s", ErrAbsent, id)
		}
	}
	for _, id := range ids {
		s.layers[id].ref()
	}
	return nil
}

// Release gives back a reference to each of the layers. Layers without any go to the trash.
func (s *Store) Release(ids []digest.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		e := s.layers[id]
		if e == nil || e.refs == 0 {
			continue
		}
		if e.refs--; e.refs > 0 {
			continue
		}
		if !e.committed {
			s.expireLater(e)
		} else if s.swept {
			s.remove(e)
		}
	}
}

// Sweep deletes all committed layers without references, and from now on each at its last Release.
func (s *Store) Sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swept = true
	for _, e := range s.layers {
		if e.committed && e.refs == 0 {
			s.remove(e)
		}
	}
}

// expireLater starts the time after which an unpacked layer that nobody has referred to again is removed.
func (s *Store) expireLater(e *entry) {
	e.expiry = time.AfterFunc(s.keep, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if e.refs == 0 && !e.committed && s.layers[e.id] == e && s.ctx.Err() == nil {
			s.remove(e)
		}
	})
}

// remove forgets the layer and throws its directory away. The rename is all that the caller waits for.
func (s *Store) remove(e *entry) {
	delete(s.layers, e.id)
	s.bytes -= e.sum.Bytes
	s.inodes -= e.sum.Inodes
	s.discard(e.dir)
}
