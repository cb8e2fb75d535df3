// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOutputOverTheCapIsTakenAndDropped(t *testing.T) {
	b := &cappedBuffer{max: 10}
	for _, s := range []string{"12345", "6789012", "x"} {
		if n, err := b.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	}
	if string(b.data) != "1234567890" {
		t.Errorf("kept %q", b.data)
	}
}

func TestPipesDrainWithABoundWhenABackgroundProcessHoldsThem(t *testing.T) {
	p, err := newPipes(false, true, false)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	var out bytes.Buffer
	copied := p.collect(&out, nil)
	if _, err := p.out.w.WriteString("before the end"); err != nil {
		t.Fatal(err)
	}
	start := time.Now() // the write end stays open, as in a process that was left behind
	p.drain(copied)
	if took := time.Since(start); took > 10*drainTime {
		t.Errorf("it took %s", took)
	}
	if out.String() != "before the end" {
		t.Errorf("output %q", out.String())
	}
}

func TestClientThatIsGoneDoesNotHoldUpTheProcess(t *testing.T) {
	from := strings.NewReader(strings.Repeat("x", 1<<20))
	copyOut(failingWriter{}, from)
	if from.Len() != 0 {
		t.Errorf("%d bytes left", from.Len())
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, bytes.ErrTooLarge }

func TestFamilyOfAProcess(t *testing.T) {
	stats := map[int]procStat{
		1: {ppid: 0, pgrp: 1, session: 1}, 10: {ppid: 1, pgrp: 10, session: 10}, 11: {ppid: 10, pgrp: 10, session: 10},
		12: {ppid: 11, pgrp: 12, session: 12}, 13: {ppid: 1, pgrp: 99, session: 10}, 20: {ppid: 1, pgrp: 20, session: 20}, 21: {ppid: 20, pgrp: 20, session: 20},
	}
	if got := slices.Sorted(maps.Keys(descendants(stats, 10))); !slices.Equal(got, []int{11, 12, 13}) {
		t.Errorf("family %v", got)
	}
}

func FuzzParseProcStat(f *testing.F) {
	f.Add([]byte("42 (a) b) (c) S 1 2 3 0 -1"))
	f.Add([]byte("42 (sh) Z 1 2"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseProcStat(data); err == nil && s.state == 0 {
			t.Errorf("%q: %+v", data, s)
		}
	})
}

func TestProcStatOfANameWithParentheses(t *testing.T) {
	s, err := parseProcStat([]byte("42 (a) b) (c) S 1 2 3 0 -1"))
	if err != nil || s != (procStat{'S', 1, 2, 3}) {
		t.Errorf("%+v, %v", s, err)
	}
}
