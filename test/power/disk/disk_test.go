// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func newDisk(t *testing.T) *Disk {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func block(b byte) []byte { return bytes.Repeat([]byte{b}, tear) }

func cut(t *testing.T, d *Disk, seed uint64) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cut")
	if err := d.Cut(path, rand.New(rand.NewPCG(seed, 0)), nil); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCutKeepsWhatWasFlushedAndSomeOfTheRest(t *testing.T) {
	d := newDisk(t)
	if err := d.WriteAt(block('a'), 0, false); err != nil {
		t.Fatal(err)
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteAt(block('b'), 8192, true); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteAt(append(block('c'), block('c')...), 16384, false); err != nil {
		t.Fatal(err)
	}
	kept, lost, torn := 0, 0, 0
	for seed := range uint64(64) {
		b := cut(t, d, seed)
		if !bytes.Equal(b[:tear], block('a')) || !bytes.Equal(b[8192:8192+tear], block('b')) {
			t.Fatal("a cut has lost what was flushed, or written through")
		}
		first, second := b[16384] == 'c', b[16384+tear] == 'c'
		switch {
		case first && second:
			kept++
		case !first && !second:
			lost++
		default:
			torn++
		}
	}
	if kept == 0 || lost == 0 || torn == 0 {
		t.Errorf("of a write in the cache: kept %d, lost %d, torn %d times", kept, lost, torn)
	}
}

func TestReadsSeeTheCache(t *testing.T) {
	d := newDisk(t)
	for _, w := range []struct {
		at int64
		b  byte
	}{{0, '1'}, {100, '2'}, {50, '3'}} {
		if err := d.WriteAt(bytes.Repeat([]byte{w.b}, 100), w.at, false); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, 200)
	if err := d.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	want := append(append(bytes.Repeat([]byte{'1'}, 50), bytes.Repeat([]byte{'3'}, 100)...), bytes.Repeat([]byte{'2'}, 50)...)
	if !bytes.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if err := d.WriteAt(block('x'), 1<<20-1, false); err == nil {
		t.Error("a write beyond the end was taken")
	}
}
