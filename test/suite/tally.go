// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
)

// tally counts outcomes, and why something was skipped.
type tally struct {
	passed, failed, skipped int
	why                     map[string]int
}

func (t tally) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", t.passed, t.failed, t.skipped)
}

func (t tally) plus(o tally) tally {
	why := maps.Clone(t.why)
	if why == nil {
		why = map[string]int{}
	}
	for reason, n := range o.why {
		why[reason] += n
	}
	return tally{t.passed + o.passed, t.failed + o.failed, t.skipped + o.skipped, why}
}

// reasons are one line each, the most frequent first.
func (t tally) reasons() []string {
	var lines []string
	for _, reason := range slices.SortedFunc(maps.Keys(t.why), func(a, b string) int { return t.why[b] - t.why[a] }) {
		lines = append(lines, fmt.Sprintf("%d × %s", t.why[reason], reason))
	}
	return lines
}
