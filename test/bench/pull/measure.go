// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"crisp/test/cri"
	"crisp/test/lane"

	"golang.org/x/sync/errgroup"
)

// sample is one pull into an empty store.
type sample struct {
	wall time.Duration
	usage
	again   time.Duration // the same image once more
	sibling time.Duration // an image whose layers are all there
}

// pull starts a runtime with an empty store, pulls ref with so many callers at once, and then what is there already.
func pull(ctx context.Context, l *lane.Lane, r runtime, ref, sibling string, callers int) (s sample, err error) {
	base, err := l.NewDir()
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(base)) }()
	d, err := newDisk(ctx, base)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	pid, socket, stop, err := r.start(ctx, d.dir)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	client, err := cri.Dial(socket)
	if err != nil {
		return s, err
	}
	defer client.Close()
	before, err := usageOf(pid)
	if err != nil {
		return s, err
	}
	if err := resetPeak(pid); err != nil {
		return s, err
	}
	one := func(ref string) (time.Duration, error) {
		start := time.Now()
		_, err := client.Pull(ctx, ref)
		return time.Since(start), err
	}
	start := time.Now()
	var g errgroup.Group
	for range callers {
		g.Go(func() error { _, err := one(ref); return err })
	}
	if err := g.Wait(); err != nil {
		return s, fmt.Errorf("%s: pull %s: %w", r.name, ref, err)
	}
	s.wall = time.Since(start)
	after, err := usageOf(pid)
	if err != nil {
		return s, err
	}
	s.usage = after.since(before)
	if s.again, err = one(ref); err != nil {
		return s, err
	}
	s.sibling, err = one(sibling)
	return s, err
}
