// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"crisp/image/internal/registrytest"
	"crisp/image/internal/tartest"
	"crisp/image/layer"
)

func TestPullTakesAllCompressions(t *testing.T) {
	reg := registrytest.New(t)
	a := tartest.Archive(t, entry{Name: "a", Body: "a"})
	b := tartest.Archive(t, entry{Name: "b", Body: "b"})
	c := tartest.Archive(t, entry{Name: "c", Body: "c"})
	reg.Push(t, "app", registrytest.Image{Layers: [][]byte{a, b, c}, Blobs: map[int][]byte{1: tartest.Zstd(t, b), 2: c}}, "v1")
	s := open(t, t.TempDir())
	f := rootfs(t, s, RootfsRequest{ImageID: pullIt(t, s, reg.Host+"/app:v1").ID, Dir: t.TempDir()})
	for _, n := range []string{"a", "b", "c"} {
		if got := read(t, inside(f, n)); got != n {
			t.Errorf("%s has %q", n, got)
		}
	}
}

func TestPullRefusesWhatDoesNotMatch(t *testing.T) {
	good := app(t, "hello")
	for name, tt := range map[string]struct {
		config   func(*ocispec.Image)
		manifest func(*ocispec.Manifest)
		want     error
	}{
		"a wrong diff ID":         {config: func(c *ocispec.Image) { c.RootFS.DiffIDs[1] = digest.FromString("x") }, want: ErrDigest},
		"too few diff IDs":        {config: func(c *ocispec.Image) { c.RootFS.DiffIDs = c.RootFS.DiffIDs[:1] }, want: ErrUnsupported},
		"a wrong layer size":      {manifest: func(m *ocispec.Manifest) { m.Layers[0].Size++ }, want: ErrDigest},
		"a wrong config size":     {manifest: func(m *ocispec.Manifest) { m.Config.Size++ }, want: ErrDigest},
		"a huge config":           {manifest: func(m *ocispec.Manifest) { m.Config.Size = 1 << 40 }, want: ErrLimit},
		"a missing layer":         {manifest: func(m *ocispec.Manifest) { m.Layers[0].Digest = digest.FromString("x") }, want: ErrNotFound},
		"an artifact":             {manifest: func(m *ocispec.Manifest) { m.Config.MediaType = "application/x" }, want: ErrUnsupported},
		"layers no disk can hold": {manifest: func(m *ocispec.Manifest) { m.Layers[0].Size = 1 << 60 }, want: nil},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t)
			im := good
			im.ChangeConfig, im.ChangeManifest = tt.config, tt.manifest
			reg.Push(t, "app", im, "v1")
			root := t.TempDir()
			s := open(t, root)
			_, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/app:v1"})
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), reg.Host+"/app:v1") {
				t.Errorf("err = %v, want %v", err, tt.want)
			}
			if len(s.List()) != 0 || layersOnDisk(t, root) != 0 {
				t.Errorf("left over: %v, %d layers", s.List(), layersOnDisk(t, root))
			}
		})
	}
}

func TestPullErrorsAreOfTheirKind(t *testing.T) {
	reg := registrytest.New(t)
	s := open(t, t.TempDir())
	for ref, want := range map[string]error{
		reg.Host + "/absent:v1": ErrNotFound, "127.0.0.1:1/x": ErrUnavailable, "UPPER": ErrInvalidReference, "": ErrInvalidReference,
	} {
		if _, err := s.Pull(t.Context(), PullRequest{Ref: ref}); !errors.Is(err, want) {
			t.Errorf("%q: %v", ref, err)
		}
	}
	if _, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/x", Auth: &Auth{Auth: "%%%"}}); !errors.Is(err, ErrUnauthorized) || strings.Contains(err.Error(), "%%%") {
		t.Errorf("auth that is not base64: %v", err)
	}
}

// gate stops blob requests until it is opened.
func gate(reg *registrytest.Registry) (begun <-chan struct{}, openIt func()) {
	b, o := make(chan struct{}), make(chan struct{})
	var first sync.Once
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
		if strings.Contains(q.URL.Path, "/blobs/") {
			first.Do(func() { close(b) })
			select {
			case <-o:
			case <-q.Context().Done():
				return true
			}
		}
		return false
	}
	return b, sync.OnceFunc(func() { close(o) })
}

func TestEqualPullsAreOne(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	begun, openIt := gate(reg)
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	var ids sync.Map
	for range 10 {
		wg.Go(func() {
			im, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/app:v1"})
			if err != nil {
				t.Error(err)
				return
			}
			ids.Store(im.ID, true)
		})
	}
	<-begun
	openIt()
	wg.Wait()
	if n := len(reg.Requests()); n < 4 || n > 4+9 { // a late caller asks once more what the tag means
		t.Errorf("%d requests", n)
	}
}

func TestLayersOfParallelPullsAreFetchedOnce(t *testing.T) {
	reg := registrytest.New(t)
	base := tartest.Archive(t, entry{Name: "base", Body: "b"})
	var refs []string
	for i := range 6 {
		own := tartest.Archive(t, entry{Name: "own", Body: fmt.Sprint(i)})
		repo := fmt.Sprintf("app%d", i)
		reg.Push(t, repo, registrytest.Image{Layers: [][]byte{base, own}}, "v1")
		refs = append(refs, reg.Host+"/"+repo+":v1")
	}
	var baseFetched atomic.Int32
	blob := digest.FromBytes(tartest.Gzip(t, base)).String()
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, blob) {
			baseFetched.Add(1)
		}
		return false
	}
	root := t.TempDir()
	s := open(t, root)
	var wg sync.WaitGroup
	for _, ref := range refs {
		wg.Go(func() {
			if _, err := s.Pull(t.Context(), PullRequest{Ref: ref}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := baseFetched.Load(); n != 1 {
		t.Errorf("the common layer was fetched %d times", n)
	}
	if n := layersOnDisk(t, root); n != 7 {
		t.Errorf("%d layers on disk, want 7", n)
	}
	for i, ref := range refs { // the common layer stays until the last image goes
		if err := s.Remove(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		if u, _ := s.Usage(t.Context()); (u.Bytes == 0) != (i == 5) {
			t.Errorf("after %d removals: %+v", i+1, u)
		}
	}
}

func TestCallerThatGaveUpJoinsItsPull(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	begun, openIt := gate(reg)
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	if _, err := s.Pull(ctx, PullRequest{Ref: reg.Host + "/app:v1"}); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	done := make(chan error)
	go func() {
		_, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/app:v1"})
		done <- err
	}()
	openIt()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := len(reg.Requests()); n > 5 {
		t.Errorf("%d requests: the pull began anew", n)
	}
}

func TestCallerWhoseTimeIsUpStartsNothing(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	s := open(t, t.TempDir())
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := s.Pull(ctx, PullRequest{Ref: reg.Host + "/app:v1"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
	if q := reg.Requests(); len(q) != 0 {
		t.Errorf("requests: %q", q)
	}
}

func TestPullEndsWhenNobodyComesBack(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	begun, _ := gate(reg)
	ended := make(chan struct{})
	next := reg.Intercept
	var once sync.Once
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
		handled := next(w, q)
		if handled {
			once.Do(func() { close(ended) })
		}
		return handled
	}
	s := open(t, t.TempDir(), func(c *Config) { c.Linger = time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	if _, err := s.Pull(ctx, PullRequest{Ref: reg.Host + "/app:v1"}); err == nil {
		t.Error("no error")
	}
	<-ended // the request under way was given up
}

func TestCloseEndsPulls(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	begun, _ := gate(reg)
	root := t.TempDir()
	s := open(t, root)
	go func() {
		<-begun
		s.Close()
	}()
	if _, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/app:v1"}); err == nil {
		t.Error("no error")
	}
	s.Close()
	if _, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/app:v1"}); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestFailedPullKeepsItsLayersForTheNext(t *testing.T) {
	reg := registrytest.New(t)
	im := app(t, "hello")
	pushed := reg.Push(t, "app", im, "v1")
	bad := pushed.Manifest.Layers[1].Digest.String()
	failing := true
	got := make(chan struct{})
	var once sync.Once
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
		if failing && strings.HasSuffix(q.URL.Path, bad) {
			<-got
			registrytest.Fail(w, 404, "BLOB_UNKNOWN", "gone")
			return true
		}
		return false
	}
	root := t.TempDir()
	s := open(t, root)
	first := im.Layers[0]
	go func() { // the second layer fails after the first is there
		for !s.layers.Has(digest.FromBytes(first)) {
			runtime.Gosched()
		}
		once.Do(func() { close(got) })
	}()
	if _, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/app:v1"}); !errors.Is(err, ErrNotFound) {
		t.Fatalf("err = %v", err)
	}
	failing = false
	reg.Requests()
	pullIt(t, s, reg.Host+"/app:v1")
	for _, q := range reg.Requests() {
		if strings.HasSuffix(q, pushed.Manifest.Layers[0].Digest.String()) {
			t.Error("the first layer was fetched again")
		}
	}
}

func TestPullStopsBombs(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "bomb", registrytest.Image{Layers: [][]byte{tartest.Archive(t, entry{Name: "zero", Body: string(make([]byte, 32<<20))})}}, "v1")
	lim := layer.DefaultLimits()
	lim.RatioFrom = 4 << 20
	root := t.TempDir()
	s := open(t, root, func(c *Config) { c.Limits = &lim })
	if _, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/bomb:v1"}); !errors.Is(err, ErrLimit) {
		t.Errorf("err = %v", err)
	}
}

func TestPullRepairsImpliedDirectories(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", registrytest.Image{Layers: [][]byte{
		tartest.Archive(t, entry{Name: "./", Mode: 0o711}, entry{Name: "tmp/", Mode: 0o1777}),
		tartest.Archive(t, entry{Name: "tmp/x", Body: "x"}),
	}}, "v1")
	root := t.TempDir()
	s := open(t, root)
	im := pullIt(t, s, reg.Host+"/app:v1")
	for range 2 {
		f := rootfs(t, s, RootfsRequest{ImageID: im.ID, Dir: t.TempDir()})
		wantMode(t, inside(f, "tmp"), 0o1777)
		wantMode(t, inside(f, "."), 0o711)
		if got := read(t, inside(f, "tmp/x")); got != "x" {
			t.Errorf("tmp/x: %q", got)
		}
		s.Close()
		s = open(t, root) // the repair is durable
	}
	if err := s.Remove(t.Context(), im.ID); err != nil {
		t.Fatal(err)
	}
	if u, _ := s.Usage(t.Context()); u.Bytes != 0 {
		t.Errorf("left over: %+v", u)
	}
}

func BenchmarkPull(b *testing.B) {
	reg := registrytest.New(b)
	var layers [][]byte
	for l := range 6 {
		var entries []entry
		text := string(bytes.Repeat([]byte(fmt.Sprintln("layer", l, "has some text")), 500))
		for i := range 400 {
			entries = append(entries, entry{Name: fmt.Sprintf("d%d/f%d", l, i), Body: text})
		}
		layers = append(layers, tartest.Archive(b, entries...))
	}
	reg.Push(b, "app", registrytest.Image{Layers: layers}, "v1")
	s := open(b, b.TempDir())
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			pullIt(b, s, reg.Host+"/app:v1")
			b.StopTimer()
			if err := s.Remove(b.Context(), reg.Host+"/app:v1"); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		pullIt(b, s, reg.Host+"/app:v1")
		for b.Loop() {
			pullIt(b, s, reg.Host+"/app:v1")
		}
	})
}
