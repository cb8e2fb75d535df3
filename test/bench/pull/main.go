// SPDX-License-Identifier: Apache-2.0

// Command pull measures image pulls of crisp and of containerd, by the CRI, side by side in one run: the same registry on
// 127.0.0.1, the same images, an empty store on a new disk each time, the runtimes taking turns. It prints markdown tables. Needs
// root, mkfs.ext4 and loop devices.
//
//	go run ./test/bench/pull                        (make bench-pull)
//	go run ./test/bench/pull -rounds 5 -size 1000
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"crisp/test/build"
	"crisp/test/images"
	"crisp/test/lane"
)

type options struct {
	rounds int
	size   int // MiB unpacked
	only   string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "cold pulls of each image by each runtime")
	flag.IntVar(&o.size, "size", 500, "`MiB` of an image, unpacked")
	flag.StringVar(&o.only, "only", "", "measure this runtime alone")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := lane.Run(ctx, func(l *lane.Lane) int {
		if err := run(ctx, l, o, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}, build.Containerd)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, l *lane.Lane, o options, w io.Writer) error {
	all, err := runtimes(ctx, l)
	if err != nil {
		return err
	}
	if o.only != "" {
		all = slices.DeleteFunc(all, func(r runtime) bool { return r.name != o.only })
	}
	fmt.Fprintf(w, "%s, %d cold pulls each, medians; the runtimes taking turns\n", time.Now().Format(time.DateOnly), o.rounds)
	for _, s := range shapes(o.size) {
		for _, c := range []struct {
			name string
			kind images.Compression
		}{{"gzip", images.Gzip}, {"zstd", images.Zstd}} {
			if err := compare(ctx, l, o, w, all, s, c.kind, fmt.Sprintf("%s, %s (%s)", s.name, c.name, s)); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare measures one image, with one caller and with ten at once.
func compare(ctx context.Context, l *lane.Lane, o options, w io.Writer, all []runtime, s shape, c images.Compression, title string) error {
	image, sibling, err := s.image(c)
	if err != nil {
		return err
	}
	registry := images.NewRegistry()
	registry.Tag("bench", "one", image)
	registry.Tag("bench", "other", sibling)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: registry}
	go server.Serve(listener) //nolint:errcheck // ends by Close
	defer server.Close()
	name := listener.Addr().String() + "/bench:"
	for _, callers := range []int{1, 10} {
		samples := map[string][]sample{}
		for range o.rounds {
			for _, r := range all {
				got, err := pull(ctx, l, r, name+"one", name+"other", callers)
				if err != nil {
					return err
				}
				samples[r.name] = append(samples[r.name], got)
			}
		}
		fmt.Fprintf(w, "\n%s, %d at once\n\n", title, callers)
		table(w, all, samples)
	}
	return nil
}

func table(w io.Writer, all []runtime, samples map[string][]sample) {
	fmt.Fprintln(w, "| | wall, s | CPU, s | peak RSS, MiB | written, MB | again, ms | layers there, ms |\n|---|---|---|---|---|---|---|")
	for _, r := range all {
		got := samples[r.name]
		fmt.Fprintf(w, "| %s | %.2f | %.2f | %.0f | %.0f | %.1f | %.1f |\n", r.name,
			median(got, func(s sample) float64 { return s.wall.Seconds() }),
			median(got, func(s sample) float64 { return s.cpu.Seconds() }),
			median(got, func(s sample) float64 { return float64(s.peak) / 1024 }),
			median(got, func(s sample) float64 { return float64(s.written) / 1e6 }),
			median(got, func(s sample) float64 { return s.again.Seconds() * 1000 }),
			median(got, func(s sample) float64 { return s.sibling.Seconds() * 1000 }))
	}
}

func median(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
