// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crisp/image"
	"crisp/test/images"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// positions is how many bytes of a pull each kind of fault is tried at, spread over all of them.
const positions = 32

// served is an image of three layers at a registry, "IMAGE:1", and what its root file system holds.
type served struct {
	addr string
	want map[string][]byte
}

func serve(t *testing.T) served {
	t.Helper()
	s := served{want: map[string][]byte{}}
	source := rand.NewChaCha8([32]byte{7})
	var layers []images.Layer
	for i, c := range []images.Compression{images.Gzip, images.Zstd, images.Plain} {
		name := fmt.Sprintf("file%d", i)
		data := make([]byte, 40_000)
		if _, err := source.Read(data); err != nil {
			t.Fatal(err)
		}
		s.want[name] = data
		layer, err := images.NewLayer([]images.File{images.Binary(name, data, 0o644)}, c)
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, layer)
	}
	img, err := images.New(images.Host(), ocispec.ImageConfig{}, layers...)
	if err != nil {
		t.Fatal(err)
	}
	registry := images.NewRegistry()
	registry.Tag("image", "1", img)
	server := httptest.NewServer(registry)
	t.Cleanup(server.Close)
	s.addr = server.Listener.Addr().String()
	return s
}

// pull pulls through a proxy with a fault into a store of its own, closes the store, opens it again and looks at what is in it.
func (s served) pull(t *testing.T, plan Plan) (*Proxy, error) {
	t.Helper()
	proxy, err := Start(s.addr, plan)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	root := t.TempDir()
	config := image.Config{Root: root, Log: slog.New(slog.DiscardHandler), StallTimeout: 200 * time.Millisecond}
	store, err := image.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	store.Collect()
	_, pullErr := store.Pull(t.Context(), image.PullRequest{Ref: proxy.Addr() + "/image:1"})
	store.Close()
	if store, err = image.Open(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	store.Collect()
	s.check(t, store, root, pullErr == nil)
	return proxy, pullErr
}

// check looks whether a store has the image whole, or nothing of it.
func (s served) check(t *testing.T, store *image.Store, root string, pulled bool) {
	t.Helper()
	all := store.List()
	if pulled != (len(all) == 1) {
		t.Fatalf("the pull has succeeded: %v, the store lists %d images", pulled, len(all))
	}
	layers, err := filepath.Glob(filepath.Join(root, "layers", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if !pulled {
		if len(layers) > 0 {
			t.Errorf("a failed pull has left layers: %q", layers)
		}
		return
	}
	found := map[string][]byte{}
	err = filepath.WalkDir(filepath.Join(root, "layers"), func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && strings.HasPrefix(e.Name(), "file") {
			found[e.Name()], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range s.want {
		if !bytes.Equal(found[name], want) {
			t.Errorf("%s has other bytes than the image", name)
		}
	}
}

func TestNothingCorruptIsCommitted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("unpacking layers needs root")
	}
	s := serve(t)
	clean, err := s.pull(t, Plan{Kind: None})
	if err != nil {
		t.Fatal(err)
	}
	total := clean.Passed()
	for _, kind := range Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			failed := 0
			for i := range int64(positions) {
				plan := Plan{Kind: kind, At: total * i / positions}
				proxy, err := s.pull(t, plan)
				if !proxy.Hit() {
					t.Errorf("%+v has not happened", plan)
				}
				if err != nil {
					failed++
					t.Logf("%+v: %v", plan, err)
				}
			}
			// What a network does, a pull survives; a byte that is another makes it fail, where a digest covers it.
			if kind != Flip && failed > 0 {
				t.Errorf("%d of %d pulls have failed", failed, positions)
			}
			if kind == Flip && failed == 0 {
				t.Error("no turned bit was noticed")
			}
		})
	}
}

func TestProxyPassesBytes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("0123456789")) }))
	defer server.Close()
	for _, plan := range []Plan{{Kind: None}, {Kind: Slow, At: 3}} {
		p, err := Start(server.Listener.Addr().String(), plan)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := got.ReadFrom(conn); err != nil || !bytes.HasSuffix(got.Bytes(), []byte("0123456789")) || p.Passed() != int64(got.Len()) {
			t.Errorf("%+v: %q, %d bytes passed, %v", plan, got.String(), p.Passed(), err)
		}
		conn.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if !slices.Contains(Kinds, Flip) || slices.Contains(Kinds, None) {
		t.Error("Kinds are the faults")
	}
}
