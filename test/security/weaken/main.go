// SPDX-License-Identifier: Apache-2.0

// Command weaken proves that the tests of package security can fail. For each weakening (test/security/weakened/NAME.patch) it takes one
// defence away in a copy of the tree, builds crisp-oci there, and runs the test that is about it, which must fail in the words that the
// patch says. Before, all those tests must pass with the tree as it is.
//
//	go run ./test/security/weaken            all
//	go run ./test/security/weaken NAME…      some
//	go run ./test/security/weaken -quick     those that take seconds, and take it that the tests pass without: `make test` has just run them
//	go run ./test/security/weaken -record    and write what was seen into test/security/README.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"crisp/test/build"
)

func main() {
	var o options
	flag.BoolVar(&o.record, "record", false, "write the results into test/security/README.md")
	flag.BoolVar(&o.quick, "quick", false, "leave out what is slow, and the tests without a weakening")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	failed, err := run(ctx, flag.Args(), o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

type options struct{ record, quick bool }

func run(ctx context.Context, names []string, o options) (failed int, err error) {
	root, err := build.Root()
	if err != nil {
		return 0, err
	}
	all, err := readAll(filepath.Join(root, "test/security/weakened"), names)
	if err != nil {
		return 0, err
	}
	if o.quick {
		all = slices.DeleteFunc(all, func(w weakening) bool { return w.slow })
	}
	dir, err := os.MkdirTemp("", "crisp-weaken")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	trees, err := copyTrees(ctx, root, dir, min(workers(), len(all)))
	if err != nil {
		return 0, err
	}
	if err := trees[0].buildTest(ctx); err != nil {
		return 0, err
	}
	var whole map[string]string
	if !o.quick {
		if whole, err = trees[0].passing(ctx, all); err != nil {
			return 0, err
		}
	}
	failed = proveAll(ctx, trees, all, whole)
	fmt.Printf("%d proven, %d not\n", len(all)-failed, failed)
	if !o.record {
		return failed, nil
	}
	return failed, writeReadme(filepath.Join(root, "test/security/README.md"), all)
}

// workers prove at a time. There is one more than processors, for some wait.
func workers() int { return runtime.NumCPU() + 1 }

// proveAll has each tree prove one weakening after the other, and returns how many were not.
func proveAll(ctx context.Context, trees []*tree, all []weakening, whole map[string]string) int {
	var group sync.WaitGroup
	next := make(chan *weakening)
	for _, t := range trees {
		group.Go(func() {
			for w := range next {
				start := time.Now()
				w.seen, w.err = t.prove(ctx, w, whole)
				fmt.Println(w.verdict(time.Since(start)))
			}
		})
	}
	for i := range all {
		next <- &all[i]
	}
	close(next)
	group.Wait()
	failed := 0
	for i := range all {
		if all[i].err != nil {
			failed++
		}
	}
	return failed
}

func (w *weakening) verdict(took time.Duration) string {
	if w.err != nil {
		return fmt.Sprintf("NOT PROVEN  %-28s %-45s %v", w.name, w.test, w.err)
	}
	return fmt.Sprintf("proven      %-28s %-45s %v: %s", w.name, w.test, took.Round(100*time.Millisecond), w.seen)
}

// prove applies a weakening, looks how its test fails, and takes it back. It returns the line of the failure. whole is how the tests end
// without; nil: well.
func (t *tree) prove(ctx context.Context, w *weakening, whole map[string]string) (string, error) {
	if got := whole[w.test]; whole != nil && got != "PASS" {
		return "", fmt.Errorf("without the weakening: %s", got)
	}
	undo, err := t.apply(w)
	if err != nil {
		return "", err
	}
	out, err := t.try(ctx, w)
	if e := undo(); e != nil {
		return "", errors.Join(err, e)
	}
	if err != nil {
		return "", err
	}
	return w.judge(out)
}

// judge wants the test to have failed, and in the words that were foreseen: not by a crash, nor for want of something.
func (w *weakening) judge(out string) (string, error) {
	if !strings.Contains(out, "--- FAIL: "+w.test) {
		return "", fmt.Errorf("the test does not fail: %s", tail(out))
	}
	for line := range strings.Lines(out) {
		if w.fails.MatchString(line) {
			return strings.TrimSpace(line), nil
		}
	}
	return "", fmt.Errorf("it fails, but not with %q: %s", w.fails, tail(out))
}

func tail(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], " | ")
}

// readAll reads the weakenings of those names, or all.
func readAll(dir string, names []string) ([]weakening, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	var all []weakening
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".patch")
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		w, err := parse(name, string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		all = append(all, w)
	}
	if len(all) == 0 || (len(names) > 0 && len(all) != len(names)) {
		return nil, fmt.Errorf("%d weakenings of those names in %s", len(all), dir)
	}
	return all, nil
}
