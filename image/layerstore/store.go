// SPDX-License-Identifier: Apache-2.0

package layerstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"crisp/image/internal/step"
	"crisp/image/layer"
)

// ErrAbsent: the store does not have the layer.
var ErrAbsent = errors.New("layer is not in the store")

// Config says where a Store lives and how it behaves. Zero values mean the defaults.
type Config struct {
	Root string
	// MaxBuilds bounds the layers that are built at the same time; default 6.
	MaxBuilds int
	// Keep is how long an unpacked layer is kept that nobody has committed; default 10 minutes.
	Keep time.Duration
	Log  *slog.Logger
	// Step is told of each step before it is taken; tests end the process there.
	Step func(name string)
}

// Store is a set of layers on disk. It is safe for concurrent use.
type Store struct {
	root   string
	keep   time.Duration
	log    *slog.Logger
	slots  chan struct{} // one for each build that may run
	ctx    context.Context
	cancel context.CancelCauseFunc
	work   sync.WaitGroup // builds and deletions
	trash  *trash
	step   step.Func

	// committing makes commits follow each other.
	committing sync.Mutex

	// mu guards the fields below, and all entries.
	mu     sync.Mutex
	layers map[digest.Digest]*entry
	swept  bool
	bytes  uint64 // of all entries that are not being built
	inodes uint64
}

// entry is one layer. Its state follows from its fields: building while flight is set; else committed, or unpacked.
type entry struct {
	id        digest.Digest
	dir       string // where fs and layer.json are
	sum       layer.Summary
	flight    *flight
	committed bool
	refs      int
	expiry    *time.Timer // of an unpacked layer without references
}

var errClosed = errors.New("the image store is closing")

// Open reads the layers below c.Root, which is made if missing, and deletes what a crash has left in tmp and trash.
func Open(c Config) (*Store, error) {
	s := &Store{root: c.Root, keep: c.Keep, log: c.Log, step: c.Step, layers: map[digest.Digest]*entry{}}
	if c.MaxBuilds <= 0 {
		c.MaxBuilds = 6
	}
	if s.keep == 0 {
		s.keep = 10 * time.Minute
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.slots = make(chan struct{}, c.MaxBuilds)
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	for _, d := range []string{"layers", "tmp", "trash"} {
		// 0700: layers have setuid programs, which nobody on the host may reach (CVE-2024-25621). Containers see them through
		// an overlay, whose lower layers are opened with the mounter's rights.
		if err := makePrivate(filepath.Join(s.root, d)); err != nil {
			return nil, err
		}
	}
	s.trash = &trash{dir: filepath.Join(s.root, "trash"), log: s.log, step: s.step}
	if err := s.emptyTmp(); err != nil {
		return nil, err
	}
	if err := s.readAll(); err != nil {
		return nil, err
	}
	s.inBackground(s.trash.empty)
	return s, nil
}

func makePrivate(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.Chmod(dir, 0o700)
}

// emptyTmp moves everything from tmp to the trash.
func (s *Store) emptyTmp() error {
	tmp := filepath.Join(s.root, "tmp")
	entries, err := os.ReadDir(tmp)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := s.trash.throw(filepath.Join(tmp, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) readAll() error {
	entries, err := os.ReadDir(filepath.Join(s.root, "layers"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := filepath.Join(s.root, "layers", e.Name())
		r, err := readRecord(dir)
		if err != nil {
			s.log.Error("damaged layer is removed; its images must be pulled again", "layer", e.Name(), "error", err)
			if err := s.trash.throw(dir); err != nil {
				return err
			}
			continue
		}
		s.layers[r.DiffID] = &entry{id: r.DiffID, dir: dir, sum: r.Summary, committed: true}
		s.bytes += r.Summary.Bytes
		s.inodes += r.Summary.Inodes
	}
	return nil
}

// inBackground runs f so that Close waits for it. The caller holds mu, or is itself such a function, or Open.
func (s *Store) inBackground(f func(context.Context)) {
	if s.ctx.Err() == nil {
		s.work.Go(func() { f(s.ctx) })
	}
}

// Close ends builds and waits for them. Layers that are not committed are deleted at the next Open.
func (s *Store) Close() {
	s.mu.Lock()
	s.cancel(errClosed) // under the lock: after it nobody adds to work
	for _, e := range s.layers {
		if e.expiry != nil {
			e.expiry.Stop()
		}
	}
	s.mu.Unlock()
	s.work.Wait()
}

// Has says whether the layer is there, committed or at least unpacked.
func (s *Store) Has(id digest.Digest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.layers[id]
	return e != nil && e.flight == nil
}

// Layer is a layer as others see it.
type Layer struct {
	Dir     string // its files
	Summary layer.Summary
}

// Get returns a layer that the caller has a reference to.
func (s *Store) Get(id digest.Digest) (Layer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.layers[id]
	if e == nil || e.flight != nil {
		return Layer{}, fmt.Errorf("%w: %s", ErrAbsent, id)
	}
	return Layer{Dir: filepath.Join(e.dir, treeName), Summary: e.sum}, nil
}

// Usage is what all layers take on disk, by what was counted when they were unpacked.
func (s *Store) Usage() (bytes, inodes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes, s.inodes
}
