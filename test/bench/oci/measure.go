// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"
)

// bench is what the measurements share.
type bench struct {
	runtimes []runtime
	bundles  *bundles
	launcher *launcher
	results  *results
	progress func(format string, args ...any)
}

// rotated are the runtimes in another order each round: none of them is always the one that comes after the slowest.
func (b *bench) rotated(round int) []runtime {
	n := round % len(b.runtimes)
	return append(append([]runtime(nil), b.runtimes[n:]...), b.runtimes[:n]...)
}

// times measures run, plain and with a seccomp profile, and the steps of a container's life, interleaved.
func (b *bench) times(ctx context.Context, rounds int) error {
	variants := []variant{{"run, plain", plain}, {"run, default seccomp profile", defaultSeccomp}}
	made := make([]bundle, len(variants))
	for i, v := range variants {
		var err error
		if made[i], err = b.bundles.make(v); err != nil {
			return err
		}
	}
	cycle, err := b.bundles.make(variant{"sleeping", sleeping})
	if err != nil {
		return err
	}
	for round := range rounds + 1 {
		if err := ctx.Err(); err != nil {
			return err
		}
		record := b.results.add
		if round == 0 {
			record = func(string, string, use) {} // the first of each reads its program from the disk
		}
		for i, v := range variants {
			for _, r := range b.rotated(round) {
				u, err := b.launcher.run(0, r.command("run", "--bundle", made[i].dir, "run")...)
				if err != nil {
					return err
				}
				record(v.name, r.name, u)
			}
		}
		for _, r := range b.rotated(round) {
			err := r.cycle(b.launcher, cycle, func(step string, u use) { record(step, r.name, u) })
			if err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	limitStep   = 4 << 10 // bytes: a page, which limits are rounded to
	limitMost   = 64 << 20
	limitRuns   = 3               // times in a row that a limit must start the container
	limitAlarm  = 5 * time.Second // a run that takes longer does not start
	limitCharge = "smallest memory limit"
)

// limits finds for each runtime the smallest memory limit, in steps of limitStep, with which run succeeds, by bisection.
func (b *bench) limits(ctx context.Context) error {
	for _, v := range []variant{{"plain", plain}, {"default seccomp profile", defaultSeccomp}} {
		for _, r := range b.runtimes {
			least, err := b.smallest(ctx, r, v)
			if err != nil {
				return err
			}
			b.results.limit(limitCharge+", "+v.name, r.name, least>>10)
			b.progress("%s, %s: %d KiB\n", r.name, v.name, least>>10)
		}
	}
	return nil
}

func (b *bench) smallest(ctx context.Context, r runtime, v variant) (int, error) {
	low, high := 0, limitMost/limitStep // low does not start, high does
	for high-low > 1 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		middle := (low + high) / 2
		starts, err := b.starts(r, v, int64(middle*limitStep))
		if err != nil {
			return 0, err
		}
		if starts {
			high = middle
		} else {
			low = middle
		}
	}
	if high*limitStep == limitMost {
		return 0, fmt.Errorf("%s starts nothing with a memory limit of %d bytes", r.name, limitMost)
	}
	return high * limitStep, nil
}

// starts tells whether a container runs with a memory limit, each time of several.
func (b *bench) starts(r runtime, v variant, limit int64) (bool, error) {
	limited, err := b.bundles.make(variant{"limited", func(s *spec) error {
		if err := v.edit(s); err != nil {
			return err
		}
		return memoryLimit(limit)(s)
	}})
	if err != nil {
		return false, err
	}
	for range limitRuns {
		if _, err := b.launcher.run(limitAlarm, r.command("run", "--bundle", limited.dir, "limited")...); err == nil {
			continue
		}
		// What the failure left, if anything: an error of delete says that there was nothing.
		_, _ = b.launcher.run(limitAlarm, r.command("delete", "--force", "limited")...)
		return false, nil
	}
	return true, nil
}
