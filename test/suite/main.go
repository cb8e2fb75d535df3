// SPDX-License-Identifier: Apache-2.0

// Command suite is `make test`: every check of the repository, one step after the other, in the order in which a mistake
// shows fastest. A failing step does not keep the next ones from running. It ends with one line:
//
//	123 passed, 0 failed, 4 skipped
//
// where a Go test, a critest spec, a fuzzer and a check like vet count as one each.
//
//	go run ./test/suite                    all steps but fuzz and vm-all
//	go run ./test/suite -only vet,unit     some of them
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"crisp/test/build"
)

// step is a part of the suite.
type step struct {
	name  string
	root  bool // needs root
	asked bool // runs only when it is named
	run   func(context.Context) (tally, error)
}

func steps() []step {
	return []step{
		{name: "gofmt", run: gofmt},
		{name: "vet", run: vet},
		{name: "staticcheck", run: staticcheck},
		{name: "unit", run: unit},
		{name: "sanitizers", run: sanitizers},
		{name: "fuzz", asked: true, run: fuzz}, // what it finds depends on chance; the seeds, and what it has found, run in unit
		{name: "integration", root: true, run: integration},
		{name: "weakened", root: true, run: weakened},
		{name: "critest", root: true, run: critest},
		{name: "vm", root: true, run: vmLane(vmCore)},
		{name: "vm-all", root: true, asked: true, run: vmLane(vmWhole)},
	}
}

func main() {
	only := flag.String("only", "", "run these steps, separated by commas (default all)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	total, err := run(ctx, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fmt.Println(total)
	if total.failed > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) (tally, error) {
	root, err := build.Root()
	if err != nil {
		return tally{}, err
	}
	if err := os.Chdir(root); err != nil {
		return tally{}, err
	}
	chosen, err := choose(steps(), only)
	if err != nil {
		return tally{}, err
	}
	var total tally
	summary := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, s := range chosen {
		fmt.Printf("== %s\n", s.name)
		start := time.Now()
		t := s.do(ctx)
		total = total.plus(t)
		fmt.Fprintf(summary, "%s\t%v\t%v\n", s.name, t, time.Since(start).Round(100*time.Millisecond))
	}
	fmt.Println("== summary")
	for _, reason := range total.reasons() {
		fmt.Println("skipped:", reason)
	}
	return total, summary.Flush()
}

// do runs the step; an error of its own counts as one failure.
func (s step) do(ctx context.Context) tally {
	if s.root && os.Geteuid() != 0 {
		fmt.Println("skipped: needs root")
		return tally{skipped: 1, why: map[string]int{s.name + ": the step needs root": 1}}
	}
	t, err := s.run(ctx)
	if err != nil {
		fmt.Println(err)
		if t.failed == 0 {
			t.failed++
		}
	}
	return t
}

func choose(all []step, only string) ([]step, error) {
	if only == "" {
		return slices.DeleteFunc(all, func(s step) bool { return s.asked }), nil
	}
	var chosen []step
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(s step) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no step %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
