// SPDX-License-Identifier: Apache-2.0

// Command bench measures a CRI runtime from outside, by its socket, and prints markdown tables: every call of a pod's cycle (one at
// a time and several at once, on the host's network and on the pod network), exec, memory per pod, many pods at once, log
// throughput, and a restart under pods.
//
//	go run ./test/bench                                            a scratch crisp (make bench)
//	bench -endpoint /run/crio/crio.sock -image REF -daemon crio    any runtime that runs already
//	bench -only cycle,exec -rounds 500 -network bridge             a part of it
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"crisp/test/cri"
	"crisp/test/images"
	"crisp/test/lane"
)

type options struct {
	endpoint string // "": a scratch crisp
	daemon   string // command name of the runtime behind endpoint; "": its memory is not told apart, and it is not restarted
	start    string // shell command that starts it again

	image    string
	networks string
	only     string
	rounds   int
	parallel int
	pods     int
}

func main() {
	var o options
	flag.StringVar(&o.endpoint, "endpoint", "", "`path` of a CRI socket (default: that of a scratch crisp)")
	flag.StringVar(&o.daemon, "daemon", "", "command `name` of the runtime behind -endpoint")
	flag.StringVar(&o.start, "start", "", "shell `command` that starts the runtime behind -endpoint again, and returns")
	flag.StringVar(&o.image, "image", images.Busybox, "image with sh, sleep and cat")
	flag.StringVar(&o.networks, "network", "host,bridge", "networks of the pods")
	flag.StringVar(&o.only, "only", "cycle,exec,memory,burst,logs,restart", "what to measure")
	flag.IntVar(&o.rounds, "rounds", 100, "pods of a cycle measurement")
	flag.IntVar(&o.parallel, "parallel", 8, "pods at a time in the second cycle measurement")
	flag.IntVar(&o.pods, "pods", 50, "pods for memory, burst and restart")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	code := 0
	if o.endpoint != "" {
		err = foreign(ctx, o)
	} else {
		code = lane.Run(ctx, func(l *lane.Lane) int {
			if err := scratch(ctx, l, o); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			return 0
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	stop()
	os.Exit(code)
}

// scratch measures a crisp of its own.
func scratch(ctx context.Context, l *lane.Lane, o options) (err error) {
	dir, err := l.NewDir()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Clear(dir)) }()
	d, err := l.Start(ctx, dir, "--log-level", "warn")
	if err != nil {
		return err
	}
	r := &rig{options: o, logs: dir + "/logs", pid: d.Pid, restart: func(ctx context.Context) error {
		if err := d.Kill(); err != nil {
			return err
		}
		return d.Restart(ctx)
	}}
	o.endpoint = d.Socket()
	return errors.Join(r.run(ctx, o.endpoint), d.Stop(), d.Close())
}

// foreign measures a runtime that runs already.
func foreign(ctx context.Context, o options) (err error) {
	logs, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(logs)) }()
	r := &rig{options: o, logs: logs, pid: func() int { return pidOf(o.daemon) }}
	if o.daemon != "" && o.start != "" {
		r.restart = r.killAndStart
	}
	return r.run(ctx, o.endpoint)
}

// rig is a runtime under measurement.
type rig struct {
	options
	*cri.Client
	logs    string
	pid     func() int                  // of the daemon; 0: unknown
	restart func(context.Context) error // kill -9 and start; nil: impossible
}

func (r *rig) run(ctx context.Context, socket string) (err error) {
	if r.Client, err = cri.Dial(socket); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, r.RemoveAllPods(context.WithoutCancel(ctx)), r.Close())
	}()
	if _, err := r.Pull(ctx, r.image); err != nil {
		return err
	}
	for part := range strings.SplitSeq(r.only, ",") {
		measure, ok := map[string]func(context.Context) error{
			"cycle": r.cycles, "exec": r.execs, "memory": r.memory, "burst": r.burst, "logs": r.logThroughput, "restart": r.restarts,
		}[part]
		if !ok {
			return fmt.Errorf("nothing named %q to measure", part)
		}
		if err := measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	return nil
}
