// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"

	"crisp/image/internal/tartest"
)

func source(blob, plain []byte) Source {
	return Source{Blob: io.NopCloser(bytes.NewReader(blob)), Digest: digest.FromBytes(blob), Size: int64(len(blob)), DiffID: digest.FromBytes(plain)}
}

func TestUnpackTakesEveryCompression(t *testing.T) {
	tartest.NeedRoot(t)
	plain := tartest.Archive(t, entry{Name: "f", Body: "hello"})
	padded := append(bytes.Clone(plain), make([]byte, 10240)...)
	skippable := append([]byte{0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'x', 'y', 'z'}, tartest.Zstd(t, plain)...)
	for name, tt := range map[string]struct{ blob, plain []byte }{
		"plain":           {plain, plain},
		"padded":          {padded, padded},
		"gzip":            {tartest.Gzip(t, plain), plain},
		"gzip members":    {tartest.Gzip(t, plain[:100], plain[100:700], plain[700:]), plain},
		"zstd":            {tartest.Zstd(t, plain), plain},
		"zstd frames":     {append(tartest.Zstd(t, plain[:700]), tartest.Zstd(t, plain[700:])...), plain},
		"zstd skippable":  {skippable, plain},
		"padded and gzip": {tartest.Gzip(t, padded), padded},
	} {
		root := openDirectory(t)
		if _, err := Unpack(t.Context(), source(tt.blob, tt.plain), root, DefaultLimits()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		tartest.Want(t, tartest.List(t, root.Name()), `f f 644 0:0 @0 "hello"`)
	}
}

func TestUnpackTakesAnEmptyLayer(t *testing.T) {
	tartest.NeedRoot(t)
	for _, plain := range [][]byte{{}, make([]byte, 1024)} {
		if _, err := Unpack(t.Context(), source(tartest.Gzip(t, plain), plain), openDirectory(t), DefaultLimits()); err != nil {
			t.Error(err)
		}
	}
}

func TestUnpackRefusesWhatDoesNotMatch(t *testing.T) {
	tartest.NeedRoot(t)
	plain := tartest.Archive(t, entry{Name: "f", Body: "hello"})
	blob := tartest.Gzip(t, plain)
	other := digest.FromString("other")
	for name, tt := range map[string]struct {
		change func(*Source)
		want   error
	}{
		"digest":             {func(s *Source) { s.Digest = other }, ErrDigest},
		"diff ID":            {func(s *Source) { s.DiffID = other }, ErrDigest},
		"too short":          {func(s *Source) { s.Size++ }, ErrDigest},
		"too long":           {func(s *Source) { s.Size-- }, ErrDigest},
		"size 0":             {func(s *Source) { s.Size = 0 }, ErrDigest},
		"torn":               {func(s *Source) { s.Blob = io.NopCloser(bytes.NewReader(blob[:len(blob)/2])) }, ErrFormat},
		"unknown algorithm":  {func(s *Source) { s.Digest = "md5:d41d8cd98f00b204e9800998ecf8427e" }, ErrFormat},
		"no digest":          {func(s *Source) { s.DiffID = "" }, ErrFormat},
		"broken compression": {func(s *Source) { *s = source(append([]byte{0x1f, 0x8b}, blob[10:]...), plain) }, ErrFormat},
		"bzip2":              {func(s *Source) { *s = source([]byte("BZh91AY"), plain) }, ErrFormat},
		"xz":                 {func(s *Source) { *s = source([]byte("\xfd7zXZ\x00"), plain) }, ErrFormat},
		"no archive":         {func(s *Source) { b := bytes.Repeat([]byte("no tar "), 200); *s = source(b, b) }, ErrFormat},
	} {
		src := source(blob, plain)
		tt.change(&src)
		if _, err := Unpack(t.Context(), src, openDirectory(t), DefaultLimits()); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestUnpackStopsBombs(t *testing.T) {
	tartest.NeedRoot(t)
	bomb := tartest.Archive(t, entry{Name: "f", Body: string(make([]byte, 32<<20))})
	lim := DefaultLimits()
	lim.RatioFrom = 4 << 20
	for name, blob := range map[string][]byte{"gzip": tartest.Gzip(t, bomb), "zstd": tartest.Zstd(t, bomb)} {
		if _, err := Unpack(t.Context(), source(blob, bomb), openDirectory(t), lim); !errors.Is(err, ErrLimit) {
			t.Errorf("%s by ratio: %v", name, err)
		}
	}
	lim = DefaultLimits()
	lim.Bytes = 8 << 20
	if _, err := Unpack(t.Context(), source(bomb, bomb), openDirectory(t), lim); !errors.Is(err, ErrLimit) {
		t.Errorf("by size: %v", err)
	}
}

func TestUnpackPassesOnTheBlobsError(t *testing.T) {
	tartest.NeedRoot(t)
	broken := errors.New("connection reset")
	plain := tartest.Archive(t, entry{Name: "f", Body: "hello"})
	blob := tartest.Gzip(t, plain)
	src := source(blob, plain)
	src.Blob = io.NopCloser(io.MultiReader(bytes.NewReader(blob[:20]), iotest.ErrReader(broken)))
	if _, err := Unpack(t.Context(), src, openDirectory(t), DefaultLimits()); !errors.Is(err, broken) || errors.Is(err, ErrFormat) {
		t.Errorf("err = %v", err)
	}
}

// TestUnpackEndsWhileTheBlobHangs: an archive that is refused early must not wait for the rest of the download.
func TestUnpackEndsWhileTheBlobHangs(t *testing.T) {
	tartest.NeedRoot(t)
	plain := tartest.Archive(t, entry{Name: "f"}, entry{Name: "f/g"}, entry{Name: "h", Body: string(make([]byte, 1<<20))})
	r, w := io.Pipe()
	go func() { _, _ = w.Write(plain) }() // and nothing more
	src := source(plain, plain)
	src.Blob, src.Size = r, 1<<30
	if _, err := Unpack(t.Context(), src, openDirectory(t), DefaultLimits()); err == nil {
		t.Error("no error")
	}
}

func TestUnpackStopsWithItsContext(t *testing.T) {
	tartest.NeedRoot(t)
	ctx, cancel := context.WithCancel(t.Context())
	plain := tartest.Archive(t, entry{Name: "h", Body: string(make([]byte, 1<<20))})
	r, w := io.Pipe()
	go func() {
		_, _ = w.Write(plain[:1<<19])
		cancel()
		w.CloseWithError(context.Canceled)
	}()
	src := source(plain, plain)
	src.Blob = r
	if _, err := Unpack(ctx, src, openDirectory(t), DefaultLimits()); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

func FuzzApply(f *testing.F) {
	f.Add(tartest.Archive(f, entry{Name: "a/"}, entry{Name: "a/f", Body: "x"}, entry{Name: "h", Type: tar.TypeLink, Link: "a/f"}))
	f.Add(tartest.Archive(f, entry{Name: "l", Type: tar.TypeSymlink, Link: ".."}, entry{Name: "l/f", Body: "x"}, entry{Name: ".wh.l"}, entry{Name: "l/"}))
	f.Add(tartest.Archive(f, entry{Name: "a/.wh..wh..opq"}, entry{Name: "p", Type: tar.TypeFifo}, entry{Name: "p/"}, entry{Name: "b/c/.wh.d"}))
	f.Add(tartest.Archive(f, entry{Name: "x", Records: map[string]string{"SCHILY.xattr.user.a": "b"}}))
	lim := Limits{Bytes: 1 << 20, Ratio: 100, RatioFrom: 1 << 20, Entries: 100, Notes: 20}
	f.Fuzz(func(t *testing.T, b []byte) {
		tartest.NeedRoot(t)
		root := openDirectory(t)
		sum, err := Apply(t.Context(), root, bytes.NewReader(b), lim)
		if err != nil {
			return
		}
		if n := uint64(len(tartest.List(t, root.Name()))); n > 0 && sum.Inodes < 2 {
			t.Errorf("%d entries, but %d inodes", n, sum.Inodes)
		}
	})
}

func FuzzDecompress(f *testing.F) {
	f.Add(tartest.Gzip(f, []byte("hello")))
	f.Add(tartest.Zstd(f, []byte("hello")))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decompress(bytes.NewReader(b))
		if err != nil {
			return
		}
		defer r.Close()
		_, _ = io.CopyN(io.Discard, r, 16<<20)
	})
}

// BenchmarkUnpack unpacks a layer like those of a distribution: 4,000 small files, 40 big ones, 150 MiB in all.
func BenchmarkUnpack(b *testing.B) {
	tartest.NeedRoot(b)
	rnd := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, 3<<20)
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyz      \n"[rnd.IntN(33)]
	}
	var entries []entry
	for d := range 200 {
		dir := string(rune('a'+d%26)) + "/" + string(rune('a'+d/26)) + "/"
		entries = append(entries, entry{Name: dir})
		for i := range 20 {
			entries = append(entries, entry{Name: dir + string(rune('a'+i)), Body: string(text[i*1000:][:1000+rnd.IntN(15000)])})
		}
	}
	for i := range 40 {
		entries = append(entries, entry{Name: "big" + string(rune('A'+i)), Body: string(text)})
	}
	plain := tartest.Archive(b, entries...)
	for name, blob := range map[string][]byte{"plain": plain, "gzip": tartest.Gzip(b, plain), "zstd": tartest.Zstd(b, plain)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			for b.Loop() {
				if _, err := Unpack(b.Context(), source(blob, plain), openDirectory(b), DefaultLimits()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
