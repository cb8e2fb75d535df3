// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"crisp/test/power/disk"
)

// cutter cuts and counts.
type cutter struct {
	disk    *disk.Disk
	dir     string
	journal string
	random  *rand.Rand
	keep    bool

	failed int
	images int // looked at
}

// longestPause between two cuts; the machine does a pull in a fraction of it.
const longestPause = 700 * time.Millisecond

// waitForLine waits until the guest has begun.
func (c *cutter) waitForLine(ctx context.Context, ended <-chan error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if text, err := os.ReadFile(c.journal); err == nil && len(text) > 0 {
			return nil
		}
		select {
		case <-tick.C:
		case err := <-ended:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pause lets the machine work for a random time.
func (c *cutter) pause(ctx context.Context, ended <-chan error) error {
	select {
	case <-time.After(time.Duration(c.random.Int64N(int64(longestPause)))):
		return nil
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cut takes the disk as it would be after a loss of power now, and looks at it.
func (c *cutter) cut(ctx context.Context, n int) error {
	path, mountpoint := filepath.Join(c.dir, fmt.Sprintf("cut%d", n)), filepath.Join(c.dir, "mnt")
	if err := os.MkdirAll(mountpoint, 0o755); err != nil {
		return err
	}
	var journal []byte
	var journalErr error
	if err := c.disk.Cut(path, c.random, func() { journal, journalErr = os.ReadFile(c.journal) }); err != nil {
		return err
	}
	if journalErr != nil {
		return journalErr
	}
	found, err := check(ctx, path, mountpoint, expectations(string(journal)))
	c.images += found
	if err != nil {
		c.failed++
		fmt.Printf("cut %d: %v\n", n, err)
		if c.keep {
			return nil
		}
	}
	return os.Remove(path)
}
