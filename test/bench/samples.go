// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// samples collects durations by name, in the order in which the names came first.
type samples struct {
	// mu guards what follows.
	mu    sync.Mutex
	names []string
	times map[string][]time.Duration
}

func newSamples() *samples { return &samples{times: map[string][]time.Duration{}} }

func (s *samples) add(name string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.times[name]; !ok {
		s.names = append(s.names, name)
	}
	s.times[name] = append(s.times[name], d)
}

// time runs do and adds what it took when it succeeds.
func (s *samples) time(name string, do func() error) error {
	start := time.Now()
	err := do()
	if err == nil {
		s.add(name, time.Since(start))
	}
	return err
}

// percentile is the smallest sample that p percent of the samples do not exceed (the nearest rank).
func percentile(sorted []time.Duration, p int) time.Duration {
	rank := (len(sorted)*p + 99) / 100
	return sorted[max(rank, 1)-1]
}

// table prints a markdown table in milliseconds.
func (s *samples) table(w io.Writer, title string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(w, "\n%s\n\n| ms | p50 | p90 | p99 | n |\n|---|---|---|---|---|\n", title)
	for _, name := range s.names {
		sorted := slices.Sorted(slices.Values(s.times[name]))
		fmt.Fprintf(w, "| %s | %s | %s | %s | %d |\n", name,
			milliseconds(percentile(sorted, 50)), milliseconds(percentile(sorted, 90)), milliseconds(percentile(sorted, 99)), len(sorted))
	}
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/1e6) }
