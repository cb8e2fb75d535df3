// SPDX-License-Identifier: Apache-2.0

package proctree

import (
	"maps"
	"slices"
	"testing"
)

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
