// SPDX-License-Identifier: Apache-2.0

// Command oci measures crisp-oci beside Debian's crun and runc and the runc of today, in one run: each command line as a process,
// from before its fork to the end of its wait, with its peak memory, the runtimes taking turns; and the smallest memory limit that
// each of them can start a container with. It prints markdown tables. Needs root and a C compiler.
//
//	go run ./test/bench/oci                       all of it (make bench-oci)
//	go run ./test/bench/oci -rounds 1000 -limits=false
//	go run ./test/vm/run -- BINARY -launcher …    on cgroup v2: build this one first, the machine has no network
//
// crun refuses hosts with a hybrid hierarchy: all runtimes run in a mount namespace without /sys/fs/cgroup/unified.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"crisp/test/isolate"
	"crisp/test/lane"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// peer is the runtime that ours is held against in the last column.
const peer = "crun"

// inside marks the process that is in the mount namespace.
const inside = "CRISP_BENCH_OCI_INSIDE=1"

type spec = specs.Spec

type options struct {
	rounds int
	limits bool
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 100, "times that each command is measured; 0 for none")
	flag.BoolVar(&o.limits, "limits", true, "find the smallest memory limits")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(ctx context.Context, o options) (int, error) {
	if os.Geteuid() != 0 {
		return 1, errors.New("needs root")
	}
	if !slices.Contains(os.Environ(), inside) {
		ended, err := isolate.Again(inside, unix.CLONE_NEWNS, unix.SIGKILL)
		if err != nil {
			return 1, err
		}
		return ended.ExitCode(), nil
	}
	if err := isolate.HideUnified(); err != nil {
		return 1, fmt.Errorf("hide the unified hierarchy: %w", err)
	}
	return 0, measure(ctx, o)
}

func measure(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "crisp-bench-oci-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	found, notes, err := runtimes(ctx, dir)
	if err != nil {
		return err
	}
	bundles, err := newBundles(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lane.RemoveCgroups(bundles.cgroup)) }()
	program := dir + "/launcher"
	if err := compile(ctx, launcherSource, program); err != nil {
		return err
	}
	l, err := startLauncher(program, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	b := &bench{runtimes: found, bundles: bundles, launcher: l, results: newResults(), progress: func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, format, args...)
	}}
	return b.report(ctx, o, notes)
}

func (b *bench) report(ctx context.Context, o options, notes []string) error {
	var host unix.Utsname
	if err := unix.Uname(&host); err != nil {
		return fmt.Errorf("uname: %w", err)
	}
	fmt.Printf("Linux %s, %s, %d rounds, the runtimes taking turns\n\n", unix.ByteSliceToString(host.Release[:]), time.Now().Format(time.DateOnly), o.rounds)
	for _, r := range b.runtimes {
		fmt.Printf("- %s: %s\n", r.name, r.version)
	}
	for _, n := range notes {
		fmt.Printf("- %s\n", n)
	}
	if o.rounds > 0 {
		if err := b.times(ctx, o.rounds); err != nil {
			return err
		}
	}
	if o.limits {
		if err := b.limits(ctx); err != nil {
			return err
		}
	}
	b.results.print(os.Stdout, b.runtimes)
	return nil
}
