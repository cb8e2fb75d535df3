// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"crisp/image/internal/tartest"
)

func TestApplyKeepsAttributesOfEveryType(t *testing.T) {
	tartest.NeedRoot(t)
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	got, sum := apply(t,
		entry{Name: "./", Mode: 0o1777, UID: 5, Mtime: 3},
		entry{Name: "d/", Mode: 0o2775, UID: 1, GID: 2, Mtime: 10},
		entry{Name: "d/f", Mode: 0o4755, UID: 3, GID: 4, Body: "hello", Mtime: 20},
		entry{Name: "d/l", Type: tar.TypeSymlink, Link: "/../../etc/passwd", UID: 7, GID: 8, Mtime: 30},
		entry{Name: "d/c", Type: tar.TypeChar, Major: 1, Minor: 3, Mode: 0o666, GID: 9, Mtime: 40},
		entry{Name: "d/b", Type: tar.TypeBlock, Major: 7, Minor: 300, Mode: 0o600, Mtime: 50},
		entry{Name: "d/p", Type: tar.TypeFifo, Mode: 0o622, Mtime: 60},
		entry{Name: "h", Type: tar.TypeLink, Link: "d/f"},
	)
	tartest.Want(t, got,
		"d d 2775 1:2 @10",
		`f d/f 4755 3:4 @20 "hello"`,
		"l d/l 777 7:8 @30 -> /../../etc/passwd",
		"c d/c 666 0:9 @40 1:3",
		"c d/b 600 0:0 @50 7:300",
		"p d/p 622 0:0 @60",
		`f h 4755 3:4 @20 "hello" = d/f`,
	)
	if sum.Root == nil || *sum.Root != (Attr{Mode: 0o1777, UID: 5}) {
		t.Errorf("root is %+v", sum.Root)
	}
	if sum.Inodes != 7 || sum.Bytes != 3*block {
		t.Errorf("usage is %d inodes, %d bytes; want 7 and 3 blocks", sum.Inodes, sum.Bytes)
	}
	if len(sum.Implied) != 0 || sum.DroppedXattrs != 0 {
		t.Errorf("summary is %+v", sum)
	}
}

func TestApplyOverlaySemantics(t *testing.T) {
	tartest.NeedRoot(t)
	for _, tt := range []struct {
		name    string
		entries []entry
		want    []string
	}{
		{"whiteout", []entry{{Name: "a/"}, {Name: "a/.wh.b"}}, []string{"d a 755 0:0 @0", "c a/b 0 0:0 @T 0:0"}},
		{"opaque before the directory's content", []entry{{Name: "a/"}, {Name: "a/.wh..wh..opq"}, {Name: "a/f"}}, []string{"d a 755 0:0 @0 opaque", `f a/f 644 0:0 @0 ""`}},
		{"opaque after the content", []entry{{Name: "a/"}, {Name: "a/f"}, {Name: "a/.wh..wh..opq"}}, []string{"d a 755 0:0 @0 opaque", `f a/f 644 0:0 @0 ""`}},
		{"whiteout after a file of the same layer", []entry{{Name: "f", Body: "x"}, {Name: ".wh.f"}}, []string{`f f 644 0:0 @0 "x"`}},
		{"whiteout before a file of the same layer", []entry{{Name: ".wh.f"}, {Name: "f", Body: "x"}}, []string{`f f 644 0:0 @0 "x"`}},
		{"whiteout after a directory of the same layer", []entry{{Name: "d/"}, {Name: "d/f"}, {Name: ".wh.d"}}, []string{"d d 755 0:0 @0 opaque", `f d/f 644 0:0 @0 ""`}},
		{"whiteout before a directory of the same layer", []entry{{Name: ".wh.d"}, {Name: "d/"}, {Name: "d/f"}}, []string{"d d 755 0:0 @0 opaque", `f d/f 644 0:0 @0 ""`}},
		{"whiteout before an implied directory", []entry{{Name: ".wh.d"}, {Name: "d/f"}}, []string{"d d 755 0:0 @0 opaque", `f d/f 644 0:0 @0 ""`}},
		{"AUFS's own entries", []entry{{Name: ".wh..wh.aufs"}, {Name: ".wh..wh.plnk/"}, {Name: ".wh..wh.plnk/12.34"}, {Name: "f"}}, []string{`f f 644 0:0 @0 ""`}},
		{"the last of several files wins", []entry{{Name: "f", Body: "1", Mode: 0o600}, {Name: "f", Body: "2", UID: 3}}, []string{`f f 644 3:0 @0 "2"`}},
		{"file over directory", []entry{{Name: "d/"}, {Name: "d/e/"}, {Name: "d/e/f"}, {Name: "d", Type: tar.TypeReg, Body: "x"}}, []string{`f d 644 0:0 @0 "x"`}},
		{"directory over file hides what is below", []entry{{Name: "d", Type: tar.TypeReg}, {Name: "d/"}}, []string{"d d 755 0:0 @0 opaque"}},
		{"directory over symlink does not follow it", []entry{{Name: "t/"}, {Name: "d", Type: tar.TypeSymlink, Link: "t"}, {Name: "d/"}, {Name: "d/f"}}, []string{"d t 755 0:0 @0", "d d 755 0:0 @0 opaque", `f d/f 644 0:0 @0 ""`}},
		{"directory over directory keeps the content", []entry{{Name: "d/", UID: 1, Mtime: 5}, {Name: "d/f"}, {Name: "d/", Mode: 0o700, Mtime: 9}}, []string{"d d 700 0:0 @9", `f d/f 644 0:0 @0 ""`}},
		{"file over symlink does not write through it", []entry{{Name: "v", Body: "keep"}, {Name: "s", Type: tar.TypeSymlink, Link: "v"}, {Name: "s", Body: "new"}}, []string{`f v 644 0:0 @0 "keep"`, `f s 644 0:0 @0 "new"`}},
		{"a symlink in the path is followed inside", []entry{{Name: "usr/lib/"}, {Name: "lib", Type: tar.TypeSymlink, Link: "usr/lib"}, {Name: "lib/f"}}, []string{"d usr 755 0:0 @0", "d usr/lib 755 0:0 @0", "l lib 777 0:0 @0 -> usr/lib", `f usr/lib/f 644 0:0 @0 ""`}},
		{"an absolute symlink starts at the image's root", []entry{{Name: "usr/"}, {Name: "l", Type: tar.TypeSymlink, Link: "/usr"}, {Name: "l/f"}}, []string{"d usr 755 0:0 @0", "l l 777 0:0 @0 -> /usr", `f usr/f 644 0:0 @0 ""`}},
		{"a dangling symlink's directory is made", []entry{{Name: "lib", Type: tar.TypeSymlink, Link: "usr/lib"}, {Name: "lib/f"}}, []string{"d usr 755 0:0 @0", "d usr/lib 755 0:0 @0", "l lib 777 0:0 @0 -> usr/lib", `f usr/lib/f 644 0:0 @0 ""`}},
		{"a replaced symlink does not lead astray", []entry{{Name: "t/"}, {Name: "l", Type: tar.TypeSymlink, Link: "t"}, {Name: "l/1"}, {Name: "l", Type: tar.TypeDir}, {Name: "l/2"}}, []string{"d t 755 0:0 @0", `f t/1 644 0:0 @0 ""`, "d l 755 0:0 @0 opaque", `f l/2 644 0:0 @0 ""`}},
		{"a hard link to a symlink", []entry{{Name: "s", Type: tar.TypeSymlink, Link: "/etc/passwd"}, {Name: "h", Type: tar.TypeLink, Link: "s"}}, []string{"l s 777 0:0 @0 -> /etc/passwd", "l h 777 0:0 @0 -> /etc/passwd"}},
		{"a hard link to itself", []entry{{Name: "f", Body: "x"}, {Name: "f", Type: tar.TypeLink, Link: "f"}}, []string{`f f 644 0:0 @0 "x"`}},
		{"a hard link over a file", []entry{{Name: "f", Body: "x"}, {Name: "g", Body: "y"}, {Name: "g", Type: tar.TypeLink, Link: "/./f"}}, []string{`f f 644 0:0 @0 "x"`, `f g 644 0:0 @0 "x" = f`}},
		{"leading slashes and dots", []entry{{Name: "/a/"}, {Name: "./a/./f"}}, []string{"d a 755 0:0 @0", `f a/f 644 0:0 @0 ""`}},
		{"a setgid directory does not hand down its group", []entry{{Name: "d/", Mode: 0o2777, GID: 50}, {Name: "d/f"}, {Name: "d/e/f"}, {Name: "d/g/"}}, []string{"d d 2777 0:50 @0", `f d/f 644 0:0 @0 ""`, "d d/e 755 0:0 @0", `f d/e/f 644 0:0 @0 ""`, "d d/g 755 0:0 @0"}},
		{"directories without permissions", []entry{{Name: "d/", Mode: 0o1000}, {Name: "d/e/f"}}, []string{"d d 1000 0:0 @0", "d d/e 755 0:0 @0", `f d/e/f 644 0:0 @0 ""`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := apply(t, tt.entries...)
			tartest.Want(t, got, tt.want...)
		})
	}
}

func TestApplyNeverLeavesTheRoot(t *testing.T) {
	tartest.NeedRoot(t)
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("safe"), 0o600); err != nil {
		t.Fatal(err)
	}
	outDir := filepath.Dir(outside)
	up := strings.Repeat("../", 40)
	for _, entries := range [][]entry{
		{{Name: up + outside[1:], Body: "evil"}},
		{{Name: outside, Body: "evil"}},
		{{Name: "l", Type: tar.TypeSymlink, Link: outDir}, {Name: "l/outside", Body: "evil"}},
		{{Name: "l", Type: tar.TypeSymlink, Link: up + outDir[1:]}, {Name: "l/outside", Body: "evil"}},
		{{Name: "l", Type: tar.TypeSymlink, Link: outside}, {Name: "l", Body: "evil"}},
		{{Name: "a/b/"}, {Name: "a/b/l", Type: tar.TypeSymlink, Link: "../../.."}, {Name: "a/b/l/" + outDir[1:] + "/outside", Body: "evil"}},
		{{Name: "l", Type: tar.TypeSymlink, Link: outDir}, {Name: "l/.wh.outside"}},
		{{Name: "l", Type: tar.TypeSymlink, Link: outDir}, {Name: "l/.wh..wh..opq"}},
		{{Name: "l", Type: tar.TypeSymlink, Link: outDir}, {Name: "l/", Mode: 0o777}},
		{{Name: "l", Type: tar.TypeSymlink, Link: "/proc/self/root"}, {Name: "l/" + outside[1:], Body: "evil"}},
		{{Name: "l", Type: tar.TypeSymlink, Link: "m"}, {Name: "m", Type: tar.TypeSymlink, Link: outDir}, {Name: "l/outside", Body: "evil"}},
	} {
		root := openDirectory(t)
		_, _ = Apply(t.Context(), root, bytes.NewReader(tartest.Archive(t, entries...)), DefaultLimits())
		if b, err := os.ReadFile(outside); err != nil || string(b) != "safe" {
			t.Fatalf("%q reached the host: %q, %v", entries[len(entries)-1].Name, b, err)
		}
		if files, _ := os.ReadDir(outDir); len(files) != 1 {
			t.Fatalf("%q made a file on the host", entries[len(entries)-1].Name)
		}
	}
	for _, l := range []string{outside, up + outside[1:]} {
		root := openDirectory(t)
		sum, err := Apply(t.Context(), root, bytes.NewReader(tartest.Archive(t, entry{Name: "h", Type: tar.TypeLink, Link: l})), DefaultLimits())
		if tree := tartest.List(t, root.Name()); err != nil || len(sum.Links) != 1 || len(tree) != 1 || !strings.HasPrefix(tree[0], "c h ") {
			t.Errorf("hard link to %q: %v, %+v", l, err, sum)
		}
	}
}

func TestApplyRefusesWhatNoLayerHas(t *testing.T) {
	tartest.NeedRoot(t)
	loop := []entry{{Name: "l", Type: tar.TypeSymlink, Link: "m"}, {Name: "m", Type: tar.TypeSymlink, Link: "l"}, {Name: "l/f"}}
	for name, entries := range map[string][]entry{
		"symlink loop":                 loop,
		"file as a parent":             {{Name: "f"}, {Name: "f/g"}},
		"root as a file":               {{Name: ".", Type: tar.TypeReg}},
		"link to the root":             {{Name: "h", Type: tar.TypeLink, Link: "/"}},
		"link to a directory":          {{Name: "d/"}, {Name: "h", Type: tar.TypeLink, Link: "d"}},
		"link to a whiteout":           {{Name: ".wh.f"}, {Name: "h", Type: tar.TypeLink, Link: "f"}},
		"whiteout of nothing":          {{Name: ".wh."}},
		"whiteout of the parent":       {{Name: "a/.wh..."}, {Name: "a/.wh.."}},
		"too long a component":         {{Name: strings.Repeat("x", 256)}},
		"too long a path":              {{Name: strings.Repeat("x/", 2100) + "f"}},
		"owner that means no change":   {{Name: "f", UID: 1<<32 - 1}},
		"owner that does not fit":      {{Name: "f", GID: 1 << 40}},
		"device number that overflows": {{Name: "c", Type: tar.TypeChar, Major: 1 << 13}},
	} {
		root := openDirectory(t)
		if _, err := Apply(t.Context(), root, bytes.NewReader(tartest.Archive(t, entries...)), DefaultLimits()); err == nil {
			t.Errorf("%s: no error; tree %q", name, tartest.List(t, root.Name()))
		}
	}
}

func TestApplyXattrs(t *testing.T) {
	tartest.NeedRoot(t)
	caps := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" // cap_net_raw=ep
	root := openDirectory(t)
	sum, err := Apply(t.Context(), root, bytes.NewReader(tartest.Archive(t,
		entry{Name: "d/", Records: map[string]string{"SCHILY.xattr.user.d": "1", "SCHILY.xattr.trusted.overlay.opaque": "y"}},
		entry{Name: "d/ping", Mode: 0o755, UID: 5, Records: map[string]string{"SCHILY.xattr.security.capability": caps, "SCHILY.xattr.user.x": "2",
			"SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.security.selinux": "x"}},
		entry{Name: "d/", Records: map[string]string{"SCHILY.xattr.user.e": "3"}},
	)), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ path, name, want string }{
		{"d", "user.d", ""}, // replaced by the second entry
		{"d", "user.e", "3"},
		{"d", "trusted.overlay.opaque", ""},
		{"d/ping", "security.capability", caps},
		{"d/ping", "user.x", "2"},
		{"d/ping", "trusted.overlay.redirect", ""},
	} {
		if got := tartest.Xattr(filepath.Join(root.Name(), x.path), x.name); got != x.want {
			t.Errorf("%s of %s is %q, want %q", x.name, x.path, got, x.want)
		}
	}
	if sum.DroppedXattrs != 3 {
		t.Errorf("%d attributes dropped, want 3", sum.DroppedXattrs)
	}
}

func TestApplyNotesWhatNeedsTheLayersBelow(t *testing.T) {
	tartest.NeedRoot(t)
	got, sum := apply(t,
		entry{Name: "usr/bin/x"},
		entry{Name: "usr/", Mode: 0o700}, // listed after all
		entry{Name: "l", Type: tar.TypeSymlink, Link: "usr"},
		entry{Name: "l/share/doc/y"},
		entry{Name: "l/h", Type: tar.TypeLink, Link: "etc/passwd"},
		entry{Name: "l/i", Type: tar.TypeLink, Link: "usr/bin/absent"},
		entry{Name: "j", Type: tar.TypeLink, Link: "usr/h"},
	)
	if want := []string{"usr/bin", "usr/share", "usr/share/doc"}; !slices.Equal(sum.Implied, want) {
		t.Errorf("implied: %q, want %q", sum.Implied, want)
	}
	if want := []Link{{"j", "etc/passwd"}, {"usr/h", "etc/passwd"}, {"usr/i", "usr/bin/absent"}}; !slices.Equal(sum.Links, want) {
		t.Errorf("links: %v, want %v", sum.Links, want)
	}
	tartest.Want(t, got, "d usr 700 0:0 @0", "d usr/bin 755 0:0 @0", `f usr/bin/x 644 0:0 @0 ""`, "l l 777 0:0 @0 -> usr",
		"d usr/share 755 0:0 @0", "d usr/share/doc 755 0:0 @0", `f usr/share/doc/y 644 0:0 @0 ""`,
		"c usr/h 0 0:0 @T 0:0", "c usr/i 0 0:0 @T 0:0", "c j 0 0:0 @T 0:0")
}

func TestApplyKeepsDirectoryTimesInAnyOrder(t *testing.T) {
	tartest.NeedRoot(t)
	var entries []entry
	var want []string
	for _, d := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s"} {
		entries = append(entries, entry{Name: d + "/", Mtime: 1234})
		want = append(want, "d "+d+" 755 0:0 @1234", "f "+d+`/1 644 0:0 @0 ""`, "f "+d+`/2 644 0:0 @0 ""`)
	}
	for _, n := range []string{"/1", "/2"} { // more directories than stay open, twice round
		for i := range 19 {
			entries = append(entries, entry{Name: entries[i].Name[:1] + n})
		}
	}
	got, _ := apply(t, entries...)
	tartest.Want(t, got, want...)
}

func TestApplyMakesSparseFilesSparse(t *testing.T) {
	tartest.NeedRoot(t)
	// A GNU sparse file as GNU tar 1.35 writes it with --sparse --format=posix: 8 MiB, 5 bytes of data at its end.
	const size, off = 8 << 20, 8<<20 - 5
	body := make([]byte, 512)
	copy(body, "1\n8388603\n5\n")
	raw := tartest.Archive(t, entry{Name: "GNUSparseFile.0/s", Body: string(body) + "hello", Records: map[string]string{
		"XXX.sparse.major": "1", "XXX.sparse.minor": "0", "XXX.sparse.name": "s", "XXX.sparse.realsize": "8388608"}})
	raw = bytes.ReplaceAll(raw, []byte("XXX.sparse"), []byte("GNU.sparse")) // archive/tar does not write these records
	root := openDirectory(t)
	sum, err := Apply(t.Context(), root, bytes.NewReader(raw), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(root.Name(), "s"))
	if err != nil || len(b) != size || string(b[off:]) != "hello" {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(root.Name(), "s"), &st); err != nil || st.Blocks > 64 || sum.Bytes > 4*block {
		t.Errorf("takes %d sectors, summary %d bytes, %v", st.Blocks, sum.Bytes, err)
	}
	lim := DefaultLimits()
	lim.Bytes = 4 << 20
	if _, err := Apply(t.Context(), openDirectory(t), bytes.NewReader(raw), lim); !errors.Is(err, ErrLimit) {
		t.Errorf("holes do not count: %v", err)
	}
}

func TestApplyLimits(t *testing.T) {
	tartest.NeedRoot(t)
	lim := DefaultLimits()
	lim.Entries, lim.Notes = 3, 2
	for name, entries := range map[string][]entry{
		"entries": {{Name: "1"}, {Name: "2"}, {Name: "3"}, {Name: "4"}},
		"implied": {{Name: "a/b/c/d"}},
		"links":   {{Name: "1", Type: tar.TypeLink, Link: "x"}, {Name: "2", Type: tar.TypeLink, Link: "x"}, {Name: "3", Type: tar.TypeLink, Link: "x"}},
	} {
		if _, err := Apply(t.Context(), openDirectory(t), bytes.NewReader(tartest.Archive(t, entries...)), lim); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestApplyStopsWithItsContext(t *testing.T) {
	tartest.NeedRoot(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Apply(ctx, openDirectory(t), bytes.NewReader(tartest.Archive(t, entry{Name: "f"})), DefaultLimits()); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}
