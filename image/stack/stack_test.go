// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"crisp/image/internal/tartest"
	"crisp/image/layer"
	"crisp/image/overlay"
)

type entry = tartest.Entry

// unpacked applies an archive to a directory of its own.
func unpacked(t testing.TB, entries ...entry) (Layer, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "fs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum, err := layer.Apply(t.Context(), f, bytes.NewReader(tartest.Archive(t, entries...)), layer.DefaultLimits())
	return Layer{Dir: dir, Summary: sum}, err
}

func stacked(t testing.TB, archives ...[]entry) []Layer {
	t.Helper()
	var out []Layer
	for _, a := range archives {
		l, err := unpacked(t, a...)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

// merged repairs and mounts the stack and describes what is to be seen.
func merged(t testing.TB, layers []Layer) []string {
	t.Helper()
	r, err := Find(layers)
	if err != nil {
		t.Fatal(err)
	}
	var lower []string
	if !r.None() {
		dir := t.TempDir()
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := r.Build(layers, f); err != nil {
			t.Fatal(err)
		}
		lower = append(lower, dir)
	}
	for _, i := range Lower(layers) {
		lower = append(lower, layers[i].Dir)
	}
	m := &overlay.Mounter{Scratch: t.TempDir()}
	f, err := m.Mount(overlay.Spec{Lower: append(lower, t.TempDir(), t.TempDir())})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return describe(t, "/proc/self/fd/"+strconv.Itoa(int(f.Fd())))
}

func describe(t testing.TB, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root+"/", func(p string, d fs.DirEntry, err error) error {
		rel := strings.Trim(strings.TrimPrefix(p, root), "/")
		if err != nil || rel == "" {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		n := node{kind: 'd', mode: int64(fi.Mode().Perm())}
		if !d.IsDir() {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			n.kind, n.body = 'f', string(b)
		}
		out = append(out, line(rel, n))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// FuzzStackIsWhatSerialUnpackingGives compares random stacks of layers, each unpacked alone, with the oracle.
func FuzzStackIsWhatSerialUnpackingGives(f *testing.F) {
	tartest.NeedRoot(f)
	for seed := range uint64(60) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		layers, want, log := randomStack(t, rand.New(rand.NewPCG(seed, 1)))
		if got := merged(t, layers); !slices.Equal(got, want.lines()) {
			t.Errorf("layers\n\t%s\nmounted\n\t%s\nwant\n\t%s", strings.Join(log, "\n\t"), strings.Join(got, "\n\t"), strings.Join(want.lines(), "\n\t"))
		}
	})
}

func randomStack(t *testing.T, r *rand.Rand) (layers []Layer, want model, log []string) {
	want = model{}
	for range 2 + r.IntN(4) {
		entries := randomLayer(r, want)
		l, err := unpacked(t, entries...)
		if err != nil {
			continue // a file as a parent, say: no such layer exists
		}
		if _, err := Find(append(slices.Clone(layers), l)); errors.Is(err, ErrLink) {
			continue // a link to what the same layer removes
		}
		want.apply(entries)
		layers = append(layers, l)
		for _, e := range entries {
			log = append(log, fmt.Sprintf("%s %c %s", e.Name, max(e.Type, ' '), e.Link))
		}
		log = append(log, "--")
	}
	return layers, want, log
}

func TestNothingIsRepairedInProperLayers(t *testing.T) {
	tartest.NeedRoot(t)
	layers := stacked(t,
		[]entry{{Name: "./"}, {Name: "tmp/", Mode: 0o1777}, {Name: "etc/"}, {Name: "etc/passwd"}},
		[]entry{{Name: "tmp/", Mode: 0o1777}, {Name: "tmp/x"}},
		[]entry{{Name: "etc/x"}}, // implied, but no different from what it should be
	)
	if r, err := Find(layers); err != nil || !r.None() {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestImpliedDirectoriesGetTheirAttributesFromBelow(t *testing.T) {
	tartest.NeedRoot(t)
	layers := stacked(t,
		[]entry{{Name: "./", Mode: 0o711, UID: 3}, {Name: "var/", Mode: 0o750}, {Name: "var/tmp/", Mode: 0o1777, GID: 7}, {Name: "gone/", Mode: 0o700}, {Name: "again/", Mode: 0o700}},
		[]entry{{Name: ".wh.gone"}, {Name: ".wh.again"}, {Name: "again/x"}},
		[]entry{{Name: "var/tmp/x"}, {Name: "new/x"}},
	)
	r, err := Find(layers)
	want := []Dir{{"", layer.Attr{Mode: 0o711, UID: 3}}, {"var", layer.Attr{Mode: 0o750}}, {"var/tmp", layer.Attr{Mode: 0o1777, GID: 7}}}
	if err != nil || !slices.Equal(r.Dirs, want) || len(r.Links) != 0 {
		t.Errorf("%+v, %v; want %v", r, err, want)
	}
}

func TestLinksToLowerLayersAreCopied(t *testing.T) {
	tartest.NeedRoot(t)
	layers := stacked(t,
		[]entry{{Name: "bin/", Mode: 0o711}, {Name: "bin/a", Mode: 0o4755, UID: 5, Body: "text", Mtime: 99, Records: map[string]string{"SCHILY.xattr.user.x": "1"}}},
		[]entry{{Name: "sbin/b", Type: tar.TypeLink, Link: "bin/a"}, {Name: "sbin/c", Type: tar.TypeLink, Link: "/bin/a"}, {Name: "d", Type: tar.TypeLink, Link: "bin/a"}},
		[]entry{{Name: ".wh.d"}},
	)
	r, err := Find(layers)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum, err := r.Build(layers, f)
	if err != nil {
		t.Fatal(err)
	}
	tree := tartest.List(t, dir)
	if len(tree) != 3 || tree[1] != `f sbin/b 4755 5:0 @99 "text"` || tree[2] != `f sbin/c 4755 5:0 @99 "text" = sbin/b` {
		t.Errorf("tree is %q", tree)
	}
	if sum.Inodes != 3 || tartest.Xattr(filepath.Join(dir, "sbin/b"), "user.x") != "1" {
		t.Errorf("%+v", sum)
	}
}

func TestLinkToNothingIsAnError(t *testing.T) {
	tartest.NeedRoot(t)
	for _, layers := range [][]Layer{
		stacked(t, []entry{{Name: "b", Type: tar.TypeLink, Link: "a"}}),
		stacked(t, []entry{{Name: "a"}}, []entry{{Name: ".wh.a"}}, []entry{{Name: "b", Type: tar.TypeLink, Link: "a"}}),
	} {
		if _, err := Find(layers); !errors.Is(err, ErrLink) {
			t.Errorf("err = %v", err)
		}
	}
	layers := stacked(t, []entry{{Name: "a", Type: tar.TypeSymlink, Link: "/etc/shadow"}}, []entry{{Name: "b", Type: tar.TypeLink, Link: "a"}})
	r, err := Find(layers)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := r.Build(layers, f); !errors.Is(err, ErrLink) {
		t.Errorf("a link to a symlink: %v", err)
	}
}

func TestLowerLeavesOutWhatDoesNotShow(t *testing.T) {
	full := layer.Summary{Inodes: 9}
	layers := []Layer{{"base", full}, {"opaque", layer.Summary{Inodes: 9, Opaque: true}}, {"twice", full}, {"empty", layer.Summary{Inodes: 1}}, {"x", full}, {"twice", full}}
	if got := Lower(layers); !slices.Equal(got, []int{5, 4, 1}) {
		t.Errorf("Lower = %v", got)
	}
	if got := Lower(nil); len(got) != 0 {
		t.Errorf("Lower of nothing = %v", got)
	}
}
