// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"crisp/image"
	"crisp/server/admin"
)

func pullImages(ctx context.Context, c *imageCall) error {
	return c.with(ctx, func(images admin.Images) error {
		for _, ref := range c.args {
			p := newReporter(os.Stderr)
			im, err := images.Fetch(ctx, image.PullRequest{Ref: ref}, p.tell)
			p.end()
			if err != nil {
				return err
			}
			if done, err := c.json(im); done {
				if err != nil {
					return err
				}
				continue
			}
			fmt.Fprintln(c.out, im.ID)
		}
		return nil
	})
}

// reporter shows how far a pull is: on a terminal in one line that changes, elsewhere in a line now and then.
type reporter struct {
	out      io.Writer
	terminal bool
	shown    bool
	last     time.Time
}

// quietLines is how often something is said where it is not a terminal that listens.
const quietLines = 5 * time.Second

func newReporter(f *os.File) *reporter {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return &reporter{out: f, terminal: err == nil, last: time.Now()}
}

func (r *reporter) tell(p image.PullProgress) {
	now := time.Now()
	if !r.terminal && now.Sub(r.last) < quietLines {
		return
	}
	r.last, r.shown = now, true
	if r.terminal {
		fmt.Fprintf(r.out, "\r\x1b[K%s", line(p, now))
		return
	}
	fmt.Fprintln(r.out, line(p, now))
}

func (r *reporter) end() {
	if r.terminal && r.shown {
		fmt.Fprint(r.out, "\r\x1b[K")
	}
}

const barWidth = 24

// stalled is how long nothing may come before it is told.
const stalled = 3 * time.Second

// line is a pull in one line: a bar, bytes, rate, layers, and what is wrong.
func line(p image.PullProgress, now time.Time) string {
	if p.Total == 0 {
		return fmt.Sprintf("%s: %s", p.Ref, p.Stage)
	}
	filled := int(p.Done * barWidth / p.Total)
	here, silent := 0, 0
	for _, l := range p.Layers {
		if l.Here {
			here++
		}
		if l.Idle > stalled {
			silent++
		}
	}
	s := fmt.Sprintf("%s: [%s%s] %s of %s, %s/s, %d of %d layers, %s", p.Ref, strings.Repeat("=", filled), strings.Repeat(" ", barWidth-filled),
		size(p.Done), size(p.Total), size(int64(p.Rate(now))), here, len(p.Layers), p.Stage)
	if silent > 0 {
		s += fmt.Sprintf(", %d stalled", silent)
	}
	return s
}

func listPulls(ctx context.Context, c *imageCall) error {
	return c.with(ctx, func(images admin.Images) error {
		all, err := images.UnderWay(ctx)
		if err != nil {
			return err
		}
		if done, err := c.json(all); done {
			return err
		}
		w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
		for _, p := range all {
			fmt.Fprintf(w, "%s\t%s\t%d waiting\n", line(p, time.Now()), time.Since(p.Begun).Round(time.Second), p.Callers)
			for _, l := range p.Layers {
				state := "waits for its turn"
				switch {
				case l.Here:
					state = "here"
				case l.Idle > stalled:
					state = "nothing came for " + l.Idle.Round(time.Second).String()
				case l.Idle > 0:
					state = "comes"
				}
				fmt.Fprintf(w, "  %s\t%s of %s\t%s\n", short(l.Digest.String()), size(l.Done), size(l.Size), state)
			}
		}
		return w.Flush()
	})
}
