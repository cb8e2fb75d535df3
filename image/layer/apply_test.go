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
)

func TestApplyKeepsAttributesOfEveryType(t *testing.T) {
	needRoot(t)
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	got, sum := apply(t,
		entry{name: "./", mode: 0o1777, uid: 5, mtime: 3},
		entry{name: "d/", mode: 0o2775, uid: 1, gid: 2, mtime: 10},
		entry{name: "d/f", mode: 0o4755, uid: 3, gid: 4, body: "hello", mtime: 20},
		entry{name: "d/l", typ: tar.TypeSymlink, link: "/../../etc/passwd", uid: 7, gid: 8, mtime: 30},
		entry{name: "d/c", typ: tar.TypeChar, major: 1, minor: 3, mode: 0o666, gid: 9, mtime: 40},
		entry{name: "d/b", typ: tar.TypeBlock, major: 7, minor: 300, mode: 0o600, mtime: 50},
		entry{name: "d/p", typ: tar.TypeFifo, mode: 0o622, mtime: 60},
		entry{name: "h", typ: tar.TypeLink, link: "d/f"},
	)
	wantTree(t, got,
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
	needRoot(t)
	for _, tt := range []struct {
		name    string
		entries []entry
		want    []string
	}{
		{"whiteout", []entry{{name: "a/"}, {name: "a/.wh.b"}}, []string{"d a 755 0:0 @0", "c a/b 0 0:0 @T 0:0"}},
		{"opaque before the directory's content", []entry{{name: "a/"}, {name: "a/.wh..wh..opq"}, {name: "a/f"}}, []string{"d a 755 0:0 @0 opaque", `f a/f 644 0:0 @0 ""`}},
		{"opaque after the content", []entry{{name: "a/"}, {name: "a/f"}, {name: "a/.wh..wh..opq"}}, []string{"d a 755 0:0 @0 opaque", `f a/f 644 0:0 @0 ""`}},
		{"whiteout after a file of the same layer", []entry{{name: "f", body: "x"}, {name: ".wh.f"}}, []string{`f f 644 0:0 @0 "x"`}},
		{"whiteout before a file of the same layer", []entry{{name: ".wh.f"}, {name: "f", body: "x"}}, []string{`f f 644 0:0 @0 "x"`}},
		{"whiteout after a directory of the same layer", []entry{{name: "d/"}, {name: "d/f"}, {name: ".wh.d"}}, []string{"d d 755 0:0 @0 opaque", `f d/f 644 0:0 @0 ""`}},
		{"whiteout before a directory of the same layer", []entry{{name: ".wh.d"}, {name: "d/"}, {name: "d/f"}}, []string{"d d 755 0:0 @0 opaque", `f d/f 644 0:0 @0 ""`}},
		{"whiteout before an implied directory", []entry{{name: ".wh.d"}, {name: "d/f"}}, []string{"d d 755 0:0 @0 opaque", `f d/f 644 0:0 @0 ""`}},
		{"AUFS's own entries", []entry{{name: ".wh..wh.aufs"}, {name: ".wh..wh.plnk/"}, {name: ".wh..wh.plnk/12.34"}, {name: "f"}}, []string{`f f 644 0:0 @0 ""`}},
		{"the last of several files wins", []entry{{name: "f", body: "1", mode: 0o600}, {name: "f", body: "2", uid: 3}}, []string{`f f 644 3:0 @0 "2"`}},
		{"file over directory", []entry{{name: "d/"}, {name: "d/e/"}, {name: "d/e/f"}, {name: "d", typ: tar.TypeReg, body: "x"}}, []string{`f d 644 0:0 @0 "x"`}},
		{"directory over file hides what is below", []entry{{name: "d", typ: tar.TypeReg}, {name: "d/"}}, []string{"d d 755 0:0 @0 opaque"}},
		{"directory over symlink does not follow it", []entry{{name: "t/"}, {name: "d", typ: tar.TypeSymlink, link: "t"}, {name: "d/"}, {name: "d/f"}}, []string{"d t 755 0:0 @0", "d d 755 0:0 @0 opaque", `f d/f 644 0:0 @0 ""`}},
		{"directory over directory keeps the content", []entry{{name: "d/", uid: 1, mtime: 5}, {name: "d/f"}, {name: "d/", mode: 0o700, mtime: 9}}, []string{"d d 700 0:0 @9", `f d/f 644 0:0 @0 ""`}},
		{"file over symlink does not write through it", []entry{{name: "v", body: "keep"}, {name: "s", typ: tar.TypeSymlink, link: "v"}, {name: "s", body: "new"}}, []string{`f v 644 0:0 @0 "keep"`, `f s 644 0:0 @0 "new"`}},
		{"a symlink in the path is followed inside", []entry{{name: "usr/lib/"}, {name: "lib", typ: tar.TypeSymlink, link: "usr/lib"}, {name: "lib/f"}}, []string{"d usr 755 0:0 @0", "d usr/lib 755 0:0 @0", "l lib 777 0:0 @0 -> usr/lib", `f usr/lib/f 644 0:0 @0 ""`}},
		{"an absolute symlink starts at the image's root", []entry{{name: "usr/"}, {name: "l", typ: tar.TypeSymlink, link: "/usr"}, {name: "l/f"}}, []string{"d usr 755 0:0 @0", "l l 777 0:0 @0 -> /usr", `f usr/f 644 0:0 @0 ""`}},
		{"a dangling symlink's directory is made", []entry{{name: "lib", typ: tar.TypeSymlink, link: "usr/lib"}, {name: "lib/f"}}, []string{"d usr 755 0:0 @0", "d usr/lib 755 0:0 @0", "l lib 777 0:0 @0 -> usr/lib", `f usr/lib/f 644 0:0 @0 ""`}},
		{"a replaced symlink does not lead astray", []entry{{name: "t/"}, {name: "l", typ: tar.TypeSymlink, link: "t"}, {name: "l/1"}, {name: "l", typ: tar.TypeDir}, {name: "l/2"}}, []string{"d t 755 0:0 @0", `f t/1 644 0:0 @0 ""`, "d l 755 0:0 @0 opaque", `f l/2 644 0:0 @0 ""`}},
		{"a hard link to a symlink", []entry{{name: "s", typ: tar.TypeSymlink, link: "/etc/passwd"}, {name: "h", typ: tar.TypeLink, link: "s"}}, []string{"l s 777 0:0 @0 -> /etc/passwd", "l h 777 0:0 @0 -> /etc/passwd"}},
		{"a hard link to itself", []entry{{name: "f", body: "x"}, {name: "f", typ: tar.TypeLink, link: "f"}}, []string{`f f 644 0:0 @0 "x"`}},
		{"a hard link over a file", []entry{{name: "f", body: "x"}, {name: "g", body: "y"}, {name: "g", typ: tar.TypeLink, link: "/./f"}}, []string{`f f 644 0:0 @0 "x"`, `f g 644 0:0 @0 "x" = f`}},
		{"leading slashes and dots", []entry{{name: "/a/"}, {name: "./a/./f"}}, []string{"d a 755 0:0 @0", `f a/f 644 0:0 @0 ""`}},
		{"a setgid directory does not hand down its group", []entry{{name: "d/", mode: 0o2777, gid: 50}, {name: "d/f"}, {name: "d/e/f"}, {name: "d/g/"}}, []string{"d d 2777 0:50 @0", `f d/f 644 0:0 @0 ""`, "d d/e 755 0:0 @0", `f d/e/f 644 0:0 @0 ""`, "d d/g 755 0:0 @0"}},
		{"directories without permissions", []entry{{name: "d/", mode: 0o1000}, {name: "d/e/f"}}, []string{"d d 1000 0:0 @0", "d d/e 755 0:0 @0", `f d/e/f 644 0:0 @0 ""`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := apply(t, tt.entries...)
			for i := range got { // a whiteout has the time of unpacking, which nobody sees
				if f := strings.Fields(got[i]); f[0] == "c" && strings.HasSuffix(got[i], " 0:0") {
					got[i] = strings.Replace(got[i], f[4], "@T", 1)
				}
			}
			wantTree(t, got, tt.want...)
		})
	}
}

func TestApplyNeverLeavesTheRoot(t *testing.T) {
	needRoot(t)
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("safe"), 0o600); err != nil {
		t.Fatal(err)
	}
	outDir := filepath.Dir(outside)
	up := strings.Repeat("../", 40)
	for _, entries := range [][]entry{
		{{name: up + outside[1:], body: "evil"}},
		{{name: outside, body: "evil"}},
		{{name: "l", typ: tar.TypeSymlink, link: outDir}, {name: "l/outside", body: "evil"}},
		{{name: "l", typ: tar.TypeSymlink, link: up + outDir[1:]}, {name: "l/outside", body: "evil"}},
		{{name: "l", typ: tar.TypeSymlink, link: outside}, {name: "l", body: "evil"}},
		{{name: "a/b/"}, {name: "a/b/l", typ: tar.TypeSymlink, link: "../../.."}, {name: "a/b/l/" + outDir[1:] + "/outside", body: "evil"}},
		{{name: "l", typ: tar.TypeSymlink, link: outDir}, {name: "l/.wh.outside"}},
		{{name: "l", typ: tar.TypeSymlink, link: outDir}, {name: "l/.wh..wh..opq"}},
		{{name: "l", typ: tar.TypeSymlink, link: outDir}, {name: "l/", mode: 0o777}},
		{{name: "l", typ: tar.TypeSymlink, link: "/proc/self/root"}, {name: "l/" + outside[1:], body: "evil"}},
		{{name: "l", typ: tar.TypeSymlink, link: "m"}, {name: "m", typ: tar.TypeSymlink, link: outDir}, {name: "l/outside", body: "evil"}},
	} {
		root := openDirectory(t)
		_, _ = Apply(t.Context(), root, bytes.NewReader(archive(t, entries...)), DefaultLimits())
		if b, err := os.ReadFile(outside); err != nil || string(b) != "safe" {
			t.Fatalf("%q reached the host: %q, %v", entries[len(entries)-1].name, b, err)
		}
		if files, _ := os.ReadDir(outDir); len(files) != 1 {
			t.Fatalf("%q made a file on the host", entries[len(entries)-1].name)
		}
	}
	for _, l := range []string{outside, up + outside[1:]} {
		root := openDirectory(t)
		sum, err := Apply(t.Context(), root, bytes.NewReader(archive(t, entry{name: "h", typ: tar.TypeLink, link: l})), DefaultLimits())
		if err != nil || len(sum.Links) != 1 || len(list(t, root.Name())) != 0 {
			t.Errorf("hard link to %q: %v, %+v", l, err, sum)
		}
	}
}

func TestApplyRefusesWhatNoLayerHas(t *testing.T) {
	needRoot(t)
	loop := []entry{{name: "l", typ: tar.TypeSymlink, link: "m"}, {name: "m", typ: tar.TypeSymlink, link: "l"}, {name: "l/f"}}
	for name, entries := range map[string][]entry{
		"symlink loop":                 loop,
		"file as a parent":             {{name: "f"}, {name: "f/g"}},
		"root as a file":               {{name: ".", typ: tar.TypeReg}},
		"link to the root":             {{name: "h", typ: tar.TypeLink, link: "/"}},
		"link to a directory":          {{name: "d/"}, {name: "h", typ: tar.TypeLink, link: "d"}},
		"link to a whiteout":           {{name: ".wh.f"}, {name: "h", typ: tar.TypeLink, link: "f"}},
		"whiteout of nothing":          {{name: ".wh."}},
		"whiteout of the parent":       {{name: "a/.wh..."}, {name: "a/.wh.."}},
		"too long a component":         {{name: strings.Repeat("x", 256)}},
		"too long a path":              {{name: strings.Repeat("x/", 2100) + "f"}},
		"owner that means no change":   {{name: "f", uid: 1<<32 - 1}},
		"owner that does not fit":      {{name: "f", gid: 1 << 40}},
		"device number that overflows": {{name: "c", typ: tar.TypeChar, major: 1 << 13}},
	} {
		root := openDirectory(t)
		if _, err := Apply(t.Context(), root, bytes.NewReader(archive(t, entries...)), DefaultLimits()); err == nil {
			t.Errorf("%s: no error; tree %q", name, list(t, root.Name()))
		}
	}
}

func TestApplyXattrs(t *testing.T) {
	needRoot(t)
	caps := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" // cap_net_raw=ep
	root := openDirectory(t)
	sum, err := Apply(t.Context(), root, bytes.NewReader(archive(t,
		entry{name: "d/", records: map[string]string{"SCHILY.xattr.user.d": "1", "SCHILY.xattr.trusted.overlay.opaque": "y"}},
		entry{name: "d/ping", mode: 0o755, uid: 5, records: map[string]string{"SCHILY.xattr.security.capability": caps, "SCHILY.xattr.user.x": "2",
			"SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.security.selinux": "x"}},
		entry{name: "d/", records: map[string]string{"SCHILY.xattr.user.e": "3"}},
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
		if got := xattr(filepath.Join(root.Name(), x.path), x.name, make([]byte, 64)); got != x.want {
			t.Errorf("%s of %s is %q, want %q", x.name, x.path, got, x.want)
		}
	}
	if sum.DroppedXattrs != 3 {
		t.Errorf("%d attributes dropped, want 3", sum.DroppedXattrs)
	}
}

func TestApplyNotesWhatNeedsTheLayersBelow(t *testing.T) {
	needRoot(t)
	got, sum := apply(t,
		entry{name: "usr/bin/x"},
		entry{name: "usr/", mode: 0o700}, // listed after all
		entry{name: "l", typ: tar.TypeSymlink, link: "usr"},
		entry{name: "l/share/doc/y"},
		entry{name: "l/h", typ: tar.TypeLink, link: "etc/passwd"},
		entry{name: "l/i", typ: tar.TypeLink, link: "usr/bin/absent"},
	)
	if want := []string{"usr/bin", "usr/share", "usr/share/doc"}; !slices.Equal(sum.Implied, want) {
		t.Errorf("implied: %q, want %q", sum.Implied, want)
	}
	if want := []Link{{"usr/h", "etc/passwd"}, {"usr/i", "usr/bin/absent"}}; !slices.Equal(sum.Links, want) {
		t.Errorf("links: %v, want %v", sum.Links, want)
	}
	wantTree(t, got, "d usr 700 0:0 @0", "d usr/bin 755 0:0 @0", `f usr/bin/x 644 0:0 @0 ""`, "l l 777 0:0 @0 -> usr",
		"d usr/share 755 0:0 @0", "d usr/share/doc 755 0:0 @0", `f usr/share/doc/y 644 0:0 @0 ""`)
}

func TestApplyKeepsDirectoryTimesInAnyOrder(t *testing.T) {
	needRoot(t)
	var entries []entry
	var want []string
	for _, d := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s"} {
		entries = append(entries, entry{name: d + "/", mtime: 1234})
		want = append(want, "d "+d+" 755 0:0 @1234", "f "+d+`/1 644 0:0 @0 ""`, "f "+d+`/2 644 0:0 @0 ""`)
	}
	for _, n := range []string{"/1", "/2"} { // more directories than stay open, twice round
		for i := range 19 {
			entries = append(entries, entry{name: entries[i].name[:1] + n})
		}
	}
	got, _ := apply(t, entries...)
	wantTree(t, got, want...)
}

func TestApplyMakesSparseFilesSparse(t *testing.T) {
	needRoot(t)
	// A GNU sparse file as GNU tar 1.35 writes it with --sparse --format=posix: 8 MiB, 5 bytes of data at its end.
	const size, off = 8 << 20, 8<<20 - 5
	body := make([]byte, 512)
	copy(body, "1\n8388603\n5\n")
	raw := archive(t, entry{name: "GNUSparseFile.0/s", body: string(body) + "hello", records: map[string]string{
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
	needRoot(t)
	lim := DefaultLimits()
	lim.Entries, lim.Notes = 3, 2
	for name, entries := range map[string][]entry{
		"entries": {{name: "1"}, {name: "2"}, {name: "3"}, {name: "4"}},
		"implied": {{name: "a/b/c/d"}},
		"links":   {{name: "1", typ: tar.TypeLink, link: "x"}, {name: "2", typ: tar.TypeLink, link: "x"}, {name: "3", typ: tar.TypeLink, link: "x"}},
	} {
		if _, err := Apply(t.Context(), openDirectory(t), bytes.NewReader(archive(t, entries...)), lim); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestApplyStopsWithItsContext(t *testing.T) {
	needRoot(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Apply(ctx, openDirectory(t), bytes.NewReader(archive(t, entry{name: "f"})), DefaultLimits()); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}
