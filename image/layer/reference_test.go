// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"crisp/image/internal/tartest"
)

// randomEntries are an archive as an image builder makes it: of every type, in any order, with what is to be found in real ones:
// names longer than a header has room for, directories that are never listed or listed twice, files that are listed again, links.
func randomEntries(r *rand.Rand) []entry {
	dirs, files := []string{""}, []string{}
	taken := map[string]bool{}
	name := func() string {
		for {
			n := dirs[r.IntN(len(dirs))] + fmt.Sprintf("n%d", r.IntN(1000))
			if r.IntN(8) == 0 {
				n += strings.Repeat("long", 10+r.IntN(50))
			}
			if !taken[n] {
				taken[n] = true
				return n
			}
		}
	}
	owned := func(e entry) entry {
		e.UID, e.GID, e.Mtime = r.IntN(70000), r.IntN(70000), int64(r.IntN(1<<31))
		return e
	}
	var all []entry
	for range 10 + r.IntN(60) {
		switch r.IntN(9) {
		case 0, 1:
			d := name() + "/"
			all, dirs = append(all, owned(entry{Name: d, Mode: int64(0o700 | r.IntN(0o10000))})), append(dirs, d)
		case 2: // again, with other attributes
			if d := dirs[r.IntN(len(dirs))]; d != "" {
				all = append(all, owned(entry{Name: d, Mode: int64(0o700 | r.IntN(0o10000))}))
			}
		case 3:
			all = append(all, owned(entry{Name: name(), Type: tar.TypeSymlink, Link: "../" + strings.Repeat("far/", r.IntN(60)) + "away", Mode: 0o777}))
		case 4:
			if len(files) > 0 {
				all = append(all, entry{Name: name(), Type: tar.TypeLink, Link: files[r.IntN(len(files))]})
			}
		case 5:
			all = append(all, owned(entry{Name: name(), Type: tar.TypeFifo, Mode: int64(r.IntN(0o1000))}))
		case 6:
			all = append(all, owned(entry{Name: name(), Type: tar.TypeChar, Mode: int64(r.IntN(0o1000)), Major: int64(1 + r.IntN(4000)), Minor: int64(r.IntN(1 << 20))}))
		default:
			f := name()
			all = append(all, owned(entry{Name: f, Mode: int64(r.IntN(0o10000)), Body: strings.Repeat(fmt.Sprint(r.IntN(10)), r.IntN(3000))}))
			files = append(files, f)
		}
	}
	return all
}

// TestApplyIsWhatTarDoes holds unpacking against GNU tar's.
func TestApplyIsWhatTarDoes(t *testing.T) {
	tartest.NeedRoot(t)
	program, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("no tar:", err)
	}
	if out, err := exec.Command(program, "--version").Output(); err != nil || !bytes.Contains(out, []byte("GNU tar")) {
		t.Skipf("tar is not GNU's: %s, %v", out, err)
	}
	for seed := range uint64(60) {
		entries := randomEntries(rand.New(rand.NewPCG(seed, 0)))
		got, _ := apply(t, entries...)
		dir := t.TempDir()
		cmd := exec.Command(program, "-x", "--same-owner", "--numeric-owner", "--same-permissions", "--delay-directory-restore", "-C", dir)
		cmd.Stdin = bytes.NewReader(tartest.Archive(t, entries...))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("seed %d: tar: %v\n%s", seed, err, out)
		}
		if want := tartest.List(t, dir); !slices.Equal(got, want) {
			t.Errorf("seed %d: %s", seed, firstDifference(got, want))
		}
	}
}

func firstDifference(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("entry %d is\n\t%.300s\ntar's is\n\t%.300s", i, got[i], want[i])
		}
	}
	return fmt.Sprintf("%d entries, tar has %d", len(got), len(want))
}
