// SPDX-License-Identifier: Apache-2.0

package image

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"crisp/image/internal/registrytest"
	"crisp/image/internal/tartest"
)

type entry = tartest.Entry

// open opens a store that nobody has used before it, as the sandbox does after it has repeated its holds.
func open(t testing.TB, root string, change ...func(*Config)) *Store {
	t.Helper()
	s := reopen(t, root, change...)
	s.Collect()
	return s
}

// reopen opens a store whose users have not said yet what they hold.
func reopen(t testing.TB, root string, change ...func(*Config)) *Store {
	t.Helper()
	tartest.NeedRoot(t)
	c := Config{Root: root, Log: slog.New(slog.DiscardHandler), StallTimeout: 5 * time.Second, Linger: time.Hour}
	for _, f := range change {
		f(&c)
	}
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// app is an image of two layers with this text in /app/text.
func app(t testing.TB, text string) registrytest.Image {
	return registrytest.Image{
		Config: ocispec.ImageConfig{User: "1000:5", Env: []string{"A=B"}, Entrypoint: []string{"/app/run"}},
		Layers: [][]byte{
			tartest.Archive(t, entry{Name: "./", Mode: 0o755}, entry{Name: "etc/"}, entry{Name: "etc/passwd", Body: "root"}, entry{Name: "tmp/", Mode: 0o1777}, entry{Name: "old", Body: "x"}),
			tartest.Archive(t, entry{Name: ".wh.old"}, entry{Name: "app/"}, entry{Name: "app/text", Body: text}, entry{Name: "app/run", Mode: 0o4755, Body: "#!"}),
		},
	}
}

func pullIt(t testing.TB, s *Store, ref string) *Image {
	t.Helper()
	im, err := s.Pull(t.Context(), PullRequest{Ref: ref})
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func wantGone(t testing.TB, s *Store, refs ...string) {
	t.Helper()
	for _, r := range refs {
		if im, err := s.Get(r); !errors.Is(err, ErrNotFound) {
			t.Errorf("Get(%q) = %v, %v", r, im, err)
		}
	}
}

func wantStrings(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// inside is a path below a detached mount; "" is the mount itself, which may be that of a file.
func inside(f *os.File, name string) string {
	if name == "" {
		return "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	}
	return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) + "/" + name
}

func rootfs(t testing.TB, s *Store, r RootfsRequest) *os.File {
	t.Helper()
	f, err := s.MountRootfs(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// layersOnDisk counts committed layers.
func layersOnDisk(t testing.TB, root string) int {
	t.Helper()
	e, err := os.ReadDir(filepath.Join(root, "layers"))
	if err != nil {
		t.Fatal(err)
	}
	return len(e)
}
