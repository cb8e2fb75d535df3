// SPDX-License-Identifier: Apache-2.0

// Command run runs a command as root in a throw-away virtual machine with this machine's files (package vm).
//
//	go run ./test/vm/run [-systemd] [-kernel 5.10] [-append ARGUMENTS] [-writable DIR] [-timeout 10m] -- COMMAND [ARG…]
//	go test -exec "go run crisp/test/vm/run --" ./oci/cgroup
//
// It exits with the command's code; 124: its time was over; 125: no virtual machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"crisp/test/vm"
)

func main() {
	var job vm.Job
	flag.BoolVar(&job.Systemd, "systemd", false, "boot systemd, and run the command as its service")
	flag.DurationVar(&job.Timeout, "timeout", 10*time.Minute, "time for the command")
	flag.StringVar(&job.Kernel, "append", "", "more arguments for the kernel")
	kernel := flag.String("kernel", "", `"5.10", or the newest there is`)
	flag.IntVar(&job.MemoryMB, "memory", 2048, "megabytes")
	flag.IntVar(&job.CPUs, "cpus", 2, "processors")
	flag.Func("writable", "let writes to this directory through (repeatable)", func(dir string) error {
		dir, err := filepath.Abs(dir)
		job.Writable = append(job.Writable, dir)
		return err
	})
	flag.Parse()
	job.Args, job.Stdout, job.Stderr = flag.Args(), os.Stdout, os.Stderr
	if len(job.Args) == 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, *kernel, job)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func run(ctx context.Context, kernel string, job vm.Job) (int, error) {
	m, err := vm.NewOf(ctx, kernel)
	if err != nil {
		return 125, err
	}
	code, err := m.Run(ctx, job)
	switch {
	case errors.Is(err, vm.ErrTimeout):
		return 124, err
	case err != nil:
		return 125, err
	}
	return code, nil
}
