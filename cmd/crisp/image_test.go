// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
	"time"

	"crisp/image"
)

func TestSizeIsForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1_550_000: "1.6 MB", 999_960: "1.0 MB", 3_000_000_000: "3.0 GB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestLineOfAPull(t *testing.T) {
	begun := time.Now()
	p := image.PullProgress{Ref: "a/b:c", Begun: begun, Stage: "asking the registry"}
	if got := line(p, begun); got != "a/b:c: asking the registry" {
		t.Errorf("%q", got)
	}
	p.Stage, p.Done, p.Total = "fetching layers", 50, 100
	p.Layers = []image.LayerProgress{{Size: 40, Done: 40, Here: true}, {Size: 60, Done: 10, Idle: time.Minute}}
	got := line(p, begun.Add(time.Second))
	for _, want := range []string{"[" + strings.Repeat("=", 12) + strings.Repeat(" ", 12) + "]", "50 B of 100 B", "50 B/s", "1 of 2 layers", "1 stalled"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}

func TestPrintableTakesControlsAway(t *testing.T) {
	if got := printable("a\x1b[2Jb\u009bc\td"); got != "a [2Jb c d" {
		t.Errorf("%q", got)
	}
}

func TestWrongImageCommandLines(t *testing.T) {
	ls, pull, history := imageCommand{}, imageCommand{args: "REF…"}, imageCommand{args: "REF"}
	for _, x := range []struct {
		c    imageCommand
		call imageCall
		ok   bool
	}{
		{ls, imageCall{format: "text"}, true},
		{ls, imageCall{format: "json", args: []string{"x"}}, false},
		{ls, imageCall{format: "yaml"}, false},
		{pull, imageCall{format: "text"}, false},
		{pull, imageCall{format: "text", args: []string{"x", "y"}}, true},
		{history, imageCall{format: "text", args: []string{"x", "y"}}, false},
	} {
		if got := x.c.wrong(&x.call); (got == "") != x.ok {
			t.Errorf("%+v with %+v: %q", x.c, x.call, got)
		}
	}
}
