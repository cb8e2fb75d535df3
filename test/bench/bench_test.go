// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPercentilesAreTheNearestRank(t *testing.T) {
	var sorted []time.Duration
	for i := range 100 {
		sorted = append(sorted, time.Duration(i+1))
	}
	for p, want := range map[int]time.Duration{50: 50, 90: 90, 99: 99} {
		if got := percentile(sorted, p); got != want {
			t.Errorf("p%d of 1…100: %d, want %d", p, got, want)
		}
	}
	if got := percentile(sorted[:1], 50); got != 1 {
		t.Errorf("p50 of one sample: %d", got)
	}
}

func TestTableKeepsTheOrderOfCalls(t *testing.T) {
	s := newSamples()
	s.add("second", 2*time.Millisecond)
	s.add("first", time.Millisecond)
	var out strings.Builder
	s.table(&out, "title")
	want := "\ntitle\n\n| ms | p50 | p90 | p99 | n |\n|---|---|---|---|---|\n| second | 2.0 | 2.0 | 2.0 | 1 |\n| first | 1.0 | 1.0 | 1.0 | 1 |\n"
	if out.String() != want {
		t.Errorf("got %q", &out)
	}
}

func TestFieldReadsTheKernelsForm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "smaps_rollup")
	if err := os.WriteFile(path, []byte("00400000-7fff Rss [rollup]\nRss:   120 kB\nPss:    85 kB\nPss_Dirty:  9 kB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, ok := field(path, "Pss:"); !ok || got != 85 {
		t.Errorf("%d, %v", got, ok)
	}
	if _, ok := field(path, "Swap:"); ok {
		t.Error("an absent field was found")
	}
}
