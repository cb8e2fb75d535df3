// SPDX-License-Identifier: Apache-2.0

package layerstore

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"crisp/image/layer"
)

var (
	a = digest.FromString("a")
	b = digest.FromString("b")
)

func open(t *testing.T, root string) *Store {
	t.Helper()
	s, err := Open(Config{Root: root, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// filled builds a layer with one file.
func filled(_ context.Context, root *os.File) (layer.Summary, error) {
	return layer.Summary{Bytes: 4096, Inodes: 2}, os.WriteFile(filepath.Join(root.Name(), "file"), []byte("x"), 0o600)
}

func acquire(t *testing.T, s *Store, id digest.Digest) {
	t.Helper()
	if err := s.Acquire(t.Context(), id, filled); err != nil {
		t.Fatal(err)
	}
}

func wantUsage(t *testing.T, s *Store, bytes, inodes uint64) {
	t.Helper()
	if b, i := s.Usage(); b != bytes || i != inodes {
		t.Errorf("usage is %d bytes, %d inodes; want %d, %d", b, i, bytes, inodes)
	}
}

func wantEmpty(t *testing.T, dirs ...string) {
	t.Helper()
	for _, d := range dirs {
		if e, err := os.ReadDir(d); err != nil || len(e) != 0 {
			t.Errorf("%s: %v, %v", d, e, err)
		}
	}
}

func TestCommittedLayersSurviveAndOthersDoNot(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	acquire(t, s, a)
	acquire(t, s, b)
	if err := s.Commit([]digest.Digest{a, a}); err != nil {
		t.Fatal(err)
	}
	wantUsage(t, s, 8192, 4)
	s.Close()

	s = open(t, root)
	if !s.Has(a) || s.Has(b) {
		t.Errorf("a: %v, b: %v", s.Has(a), s.Has(b))
	}
	wantUsage(t, s, 4096, 2)
	if err := s.Retain([]digest.Digest{a, b}); !errors.Is(err, ErrAbsent) {
		t.Errorf("Retain of a missing layer: %v", err)
	}
	if err := s.Retain([]digest.Digest{a}); err != nil {
		t.Fatal(err)
	}
	s.Sweep()
	l, err := s.Get(a)
	if err != nil || l.Summary.Inodes != 2 {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := os.Stat(filepath.Join(l.Dir, "file")); err != nil {
		t.Error(err)
	}
	s.Release([]digest.Digest{a})
	wantUsage(t, s, 0, 0)
	s.Close()
	open(t, root).Close()
	wantEmpty(t, filepath.Join(root, "layers"), filepath.Join(root, "tmp"))
}

func TestDirectoriesArePrivate(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	acquire(t, s, a)
	for path, want := range map[string]os.FileMode{"layers": 0o700, "tmp": 0o700, "trash": 0o700} {
		if fi, err := os.Stat(filepath.Join(root, path)); err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, fi.Mode(), err)
		}
	}
	if l, _ := s.Get(a); l.Dir == "" {
		t.Error("no layer")
	} else if fi, err := os.Stat(l.Dir); err != nil || fi.Mode().Perm() != 0o755 {
		t.Errorf("the layer's root: %v, %v", fi.Mode(), err)
	}
}

func TestUnreferencedLayersStayUntilSwept(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	acquire(t, s, a)
	if err := s.Commit([]digest.Digest{a}); err != nil {
		t.Fatal(err)
	}
	s.Release([]digest.Digest{a})
	if !s.Has(a) {
		t.Error("gone before Sweep")
	}
	s.Sweep()
	if s.Has(a) {
		t.Error("still there after Sweep")
	}
	acquire(t, s, a) // and can be made again at once
	if err := s.Commit([]digest.Digest{a}); err != nil {
		t.Error(err)
	}
}

func TestBuildIsASingleFlight(t *testing.T) {
	s := open(t, t.TempDir())
	var builds atomic.Int32
	begun, finish := make(chan struct{}), make(chan struct{})
	slow := func(ctx context.Context, root *os.File) (layer.Summary, error) {
		builds.Add(1)
		close(begun)
		<-finish
		return filled(ctx, root)
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := s.Acquire(t.Context(), a, slow); err != nil {
				t.Error(err)
			}
		})
	}
	<-begun
	close(finish)
	wg.Wait()
	if builds.Load() != 1 {
		t.Errorf("%d builds", builds.Load())
	}
	s.Sweep()
	if err := s.Commit([]digest.Digest{a}); err != nil {
		t.Fatal(err)
	}
	for range 9 {
		s.Release([]digest.Digest{a})
	}
	if !s.Has(a) {
		t.Error("gone before its last reference")
	}
	s.Release([]digest.Digest{a})
	if s.Has(a) {
		t.Error("there after its last reference")
	}
}

func TestWaiterTriesItselfWhenTheOthersBuildFails(t *testing.T) {
	s := open(t, t.TempDir())
	begun, finish := make(chan struct{}), make(chan struct{})
	broken := errors.New("unauthorized")
	first := make(chan error)
	go func() {
		first <- s.Acquire(t.Context(), a, func(context.Context, *os.File) (layer.Summary, error) {
			close(begun)
			<-finish
			return layer.Summary{}, broken
		})
	}()
	<-begun
	second := make(chan error)
	go func() { second <- s.Acquire(t.Context(), a, filled) }()
	close(finish)
	if err := <-first; !errors.Is(err, broken) {
		t.Errorf("first: %v", err)
	}
	if err := <-second; err != nil {
		t.Errorf("second: %v", err)
	}
	wantUsage(t, s, 4096, 2)
}

func TestBuildGoesOnWhileSomebodyWaits(t *testing.T) {
	s := open(t, t.TempDir())
	begun, finish := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		first <- s.Acquire(ctx, a, func(ctx context.Context, root *os.File) (layer.Summary, error) {
			close(begun)
			<-finish
			if ctx.Err() != nil {
				return layer.Summary{}, ctx.Err()
			}
			return filled(ctx, root)
		})
	}()
	<-begun
	f, mine := s.join(a, nil) // a second caller, that has not got to waiting yet
	if mine {
		t.Fatal("a second flight")
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("first: %v", err)
	}
	close(finish)
	<-f.done
	s.leave(f)
	if f.err != nil || !s.Has(a) {
		t.Errorf("second: %v", f.err)
	}
}

func TestBuildEndsWhenNobodyWaits(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	err := s.Acquire(ctx, a, func(ctx context.Context, root *os.File) (layer.Summary, error) {
		defer close(ended)
		cancel()
		<-ctx.Done()
		return layer.Summary{}, ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	<-ended
	s.Close()
	wantEmpty(t, filepath.Join(root, "tmp"))
}

func TestUncommittedLayersExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{Root: t.TempDir(), Keep: 10 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		acquire(t, s, a)
		s.Release([]digest.Digest{a})
		time.Sleep(9 * time.Minute)
		acquire(t, s, a) // the next attempt finds it
		time.Sleep(time.Hour)
		s.Release([]digest.Digest{a})
		time.Sleep(9 * time.Minute)
		if !s.Has(a) {
			t.Error("expired too early")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if s.Has(a) {
			t.Error("not expired")
		}
		wantUsage(t, s, 0, 0)
	})
}

func TestDamagedLayersAreRemovedAtOpen(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"no record":   func(d string) error { return os.Remove(filepath.Join(d, recordName)) },
		"torn record": func(d string) error { return os.Truncate(filepath.Join(d, recordName), 10) },
		"another's":   func(d string) error { return os.Rename(d, filepath.Join(filepath.Dir(d), dirName(b))) },
		"no tree":     func(d string) error { return os.RemoveAll(filepath.Join(d, treeName)) },
		"newer version": func(d string) error {
			return os.WriteFile(filepath.Join(d, recordName), []byte(`{"version":99}`), 0o600)
		},
		"fifo as record": func(d string) error {
			return errors.Join(os.Remove(filepath.Join(d, recordName)), os.Mkdir(filepath.Join(d, recordName), 0o700))
		},
	} {
		root := t.TempDir()
		s := open(t, root)
		acquire(t, s, a)
		if err := s.Commit([]digest.Digest{a}); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if err := damage(filepath.Join(root, "layers", dirName(a))); err != nil {
			t.Fatal(err)
		}
		s = open(t, root)
		if s.Has(a) || s.Has(b) {
			t.Errorf("%s: the layer is still there", name)
		}
		s.Close()
	}
}

func TestClosedStoreBuildsNothing(t *testing.T) {
	s := open(t, t.TempDir())
	s.Close()
	if err := s.Acquire(t.Context(), a, filled); !errors.Is(err, errClosed) {
		t.Errorf("err = %v", err)
	}
}

func TestBuildsAreBounded(t *testing.T) {
	s, err := Open(Config{Root: t.TempDir(), MaxBuilds: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var running, most atomic.Int32
	var wg sync.WaitGroup
	for _, n := range "abcdefgh" {
		wg.Go(func() {
			err := s.Acquire(t.Context(), digest.FromString(string(n)), func(ctx context.Context, root *os.File) (layer.Summary, error) {
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				defer running.Add(-1)
				return filled(ctx, root)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() > 2 {
		t.Errorf("%d builds at the same time", most.Load())
	}
}
