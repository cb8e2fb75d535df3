// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// results are the samples by what was measured and by runtime, in the order in which they came first.
type results struct {
	names  []string
	uses   map[string]map[string][]use
	limits []row
}

// row is a line of figures that are one number each.
type row struct {
	name   string
	values map[string]int // KiB, by runtime
}

func newResults() *results { return &results{uses: map[string]map[string][]use{}} }

func (r *results) add(name, runtime string, u use) {
	if _, ok := r.uses[name]; !ok {
		r.names, r.uses[name] = append(r.names, name), map[string][]use{}
	}
	r.uses[name][runtime] = append(r.uses[name][runtime], u)
}

func (r *results) limit(name, runtime string, kib int) {
	i := slices.IndexFunc(r.limits, func(l row) bool { return l.name == name })
	if i < 0 {
		i, r.limits = len(r.limits), append(r.limits, row{name: name, values: map[string]int{}})
	}
	r.limits[i].values[runtime] = kib
}

// print writes markdown tables: a line each figure, a column each runtime, and what ours is of crun's.
func (r *results) print(w io.Writer, runtimes []runtime) {
	if len(r.names) > 0 {
		heading(w, "Wall time, p50 (p10 to p90), ms", runtimes)
		for _, name := range r.names {
			r.line(w, name, runtimes, func(u []use) (string, float64) {
				times := sorted(u, func(u use) time.Duration { return u.took })
				ms := func(p int) float64 { return float64(rank(times, p)) / 1e6 }
				return fmt.Sprintf("%.2f (%.2f to %.2f)", ms(50), ms(10), ms(90)), ms(50)
			})
		}
		heading(w, "Peak resident memory, p50, KiB", runtimes)
		for _, name := range r.names {
			r.line(w, name, runtimes, func(u []use) (string, float64) {
				peak := rank(sorted(u, func(u use) int { return u.peak }), 50)
				return fmt.Sprint(peak), float64(peak)
			})
		}
	}
	if len(r.limits) > 0 {
		heading(w, "Smallest memory limit with which `run` succeeds three times in a row, KiB", runtimes)
		for _, l := range r.limits {
			cells(w, l.name, runtimes, func(name string) (string, float64) {
				return fmt.Sprint(l.values[name]), float64(l.values[name])
			})
		}
	}
}

func heading(w io.Writer, title string, runtimes []runtime) {
	fmt.Fprintf(w, "\n%s\n\n| |", title)
	for _, r := range runtimes {
		fmt.Fprintf(w, " %s |", r.name)
	}
	fmt.Fprintf(w, " ours / %s |\n|---|%s---|\n", peer, strings.Repeat("---|", len(runtimes)))
}

func (r *results) line(w io.Writer, name string, runtimes []runtime, show func([]use) (string, float64)) {
	cells(w, name, runtimes, func(runtime string) (string, float64) { return show(r.uses[name][runtime]) })
}

func cells(w io.Writer, name string, runtimes []runtime, show func(string) (string, float64)) {
	fmt.Fprintf(w, "| %s |", name)
	var ours, theirs float64
	for i, r := range runtimes {
		text, value := show(r.name)
		fmt.Fprintf(w, " %s |", text)
		if i == 0 {
			ours = value
		}
		if r.name == peer {
			theirs = value
		}
	}
	if theirs == 0 {
		fmt.Fprint(w, " |\n")
		return
	}
	fmt.Fprintf(w, " %.2f |\n", ours/theirs)
}

func sorted[T time.Duration | int](uses []use, of func(use) T) []T {
	values := make([]T, len(uses))
	for i, u := range uses {
		values[i] = of(u)
	}
	slices.Sort(values)
	return values
}

// rank is the smallest value that p percent of the values do not exceed (the nearest rank).
func rank[T any](sorted []T, p int) T { return sorted[max((len(sorted)*p+99)/100, 1)-1] }
