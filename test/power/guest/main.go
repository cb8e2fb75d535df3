// SPDX-License-Identifier: Apache-2.0

// Command guest pulls and removes images on a disk, on and on, two at a time, and says so in a journal that is not on that disk:
//
//	guest DEVICE JOURNAL
//
//	begin pull 3    done pull 3    begin remove 3    done remove 3
//
// It ends with the machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"sync"

	"crisp/image"
	"crisp/test/images"
	"crisp/test/power/content"

	"golang.org/x/sys/unix"
)

const mountpoint = "/scratch/disk"

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(device, journal string) error {
	if err := os.MkdirAll(mountpoint, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(device, mountpoint, "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", device, err)
	}
	registry := images.NewRegistry()
	for n := range content.Images {
		img, err := content.Image(n)
		if err != nil {
			return err
		}
		registry.Tag("image", fmt.Sprint(n), img)
	}
	server := httptest.NewServer(registry)
	store, err := image.Open(context.Background(), image.Config{Root: mountpoint + "/images", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	store.Collect()
	file, err := os.OpenFile(journal, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	w := &worker{store: store, name: server.Listener.Addr().String() + "/image:", journal: file}
	var all sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		all.Go(func() { errs[i] = w.work(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

type worker struct {
	store   *image.Store
	name    string
	journal *os.File
}

// work pulls and removes every second image, in an order that chance makes.
func (w *worker) work(which int) error {
	there := map[int]bool{}
	for {
		n := rand.IntN(content.Images/2)*2 + which
		ref, verb := w.name+fmt.Sprint(n), "pull"
		act := func() error {
			_, err := w.store.Pull(context.Background(), image.PullRequest{Ref: ref})
			return err
		}
		if there[n] {
			verb, act = "remove", func() error { return w.store.Remove(context.Background(), ref) }
		}
		if err := w.say("begin", verb, n); err != nil {
			return err
		}
		if err := act(); err != nil {
			return err
		}
		if err := w.say("done", verb, n); err != nil {
			return err
		}
		there[n] = !there[n]
	}
}

// say is one write: the host has it when it returns.
func (w *worker) say(when, verb string, n int) error {
	_, err := fmt.Fprintf(w.journal, "%s %s %d\n", when, verb, n)
	return err
}
