// SPDX-License-Identifier: Apache-2.0

// Command demo is `make demo`: a pod from nothing, by the tools that operators use. It starts `crisp serve` in scratch directories
// and namespaces of its own, serves a small image on 127.0.0.1, pulls it, runs a pod with two containers by crictl, shows what they
// say, prints the time of each step, and cleans up, also after a failure and ^C.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"crisp/test/build"
	"crisp/test/cri"
	"crisp/test/daemon"
	"crisp/test/lane"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code := lane.Run(ctx, func(l *lane.Lane) int {
		if err := demo(ctx, l); err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
			return 1
		}
		return 0
	}, build.Crictl)
	stop()
	os.Exit(code)
}

func demo(ctx context.Context, l *lane.Lane) (err error) {
	dir, err := l.NewDir()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Clear(dir)) }()
	s := &show{ctx: ctx, dir: dir}
	var d *daemon.Daemon
	err = s.step("crisp serve, until it answers", func() (err error) {
		d, err = l.Start(ctx, dir)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cleanUp(d)) }()
	if s.crictl, err = build.Crictl(ctx); err != nil {
		return err
	}
	s.socket = "unix://" + d.Socket()
	if err := s.pod(); err != nil {
		return err
	}
	return s.times()
}

// cleanUp works when the demo's own context has ended, too.
func cleanUp(d *daemon.Daemon) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, err := cri.Dial(d.Socket())
	if err != nil {
		return err
	}
	return errors.Join(client.RemoveAllPods(ctx), client.Close(), d.Stop(), d.Close())
}
