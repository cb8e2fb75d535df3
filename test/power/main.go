// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"crisp/test/build"
	"crisp/test/isolate"
	"crisp/test/power/disk"
	"crisp/test/vm"

	"golang.org/x/sys/unix"
)

// inside marks the process that is in a mount namespace of its own.
const inside = "CRISP_POWER_INSIDE=1"

const diskSize = 256 << 20

type options struct {
	cuts int
	seed uint64
	keep bool
}

func main() {
	var o options
	flag.IntVar(&o.cuts, "cuts", 100, "how often the power is cut")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64(), "what the disk loses follows from it")
	flag.BoolVar(&o.keep, "keep", false, "keep the disks that fail")
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
		ended, err := isolate.Again(inside, unix.CLONE_NEWNS, unix.SIGTERM)
		if err != nil {
			return 1, err
		}
		return ended.ExitCode(), nil
	}
	m, err := vm.New(ctx)
	if err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "crisp-power-")
	if err != nil {
		return 1, err
	}
	failed, err := cutPower(ctx, m, dir, o)
	if !o.keep || failed == 0 {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if failed > 0 {
		return 1, err
	}
	return 0, err
}

// cutPower runs the machine and cuts, and returns how many cuts did harm.
func cutPower(ctx context.Context, m *vm.Machine, dir string, o options) (failed int, err error) {
	d, stop, err := serveDisk(ctx, dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	guest, err := buildGuest(ctx, dir)
	if err != nil {
		return 0, err
	}
	shared := filepath.Join(dir, "shared")
	if err := os.Mkdir(shared, 0o755); err != nil {
		return 0, err
	}
	journal := filepath.Join(shared, "journal")
	vmCtx, kill := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		code, err := m.Run(vmCtx, vm.Job{
			Args: []string{guest, "/dev/vdb", journal}, Dir: dir, Drive: "nbd+unix:///?socket=" + filepath.Join(dir, "nbd"),
			Writable: []string{shared}, Timeout: 2 * time.Hour, Stdout: os.Stdout, Stderr: os.Stderr,
		})
		ended <- fmt.Errorf("the machine has ended with code %d: %w", code, err)
	}()
	defer func() {
		kill()
		<-ended
	}()
	fmt.Printf("%s, seed %d\n", m.Accel(), o.seed)
	c := cutter{disk: d, dir: dir, journal: journal, random: rand.New(rand.NewPCG(o.seed, 0)), keep: o.keep}
	if err := c.waitForLine(ctx, ended); err != nil {
		return 0, err
	}
	for n := range o.cuts {
		if err := c.pause(ctx, ended); err != nil {
			return c.failed, err
		}
		if err := c.cut(ctx, n); err != nil {
			return c.failed, err
		}
	}
	writes, flushes := d.Counts()
	fmt.Printf("%d cuts, %d did harm; %d images looked at; the disk had %d writes and %d flushes\n", o.cuts, c.failed, c.images, writes, flushes)
	return c.failed, nil
}

// serveDisk makes an ext4 and serves it to QEMU.
func serveDisk(ctx context.Context, dir string) (*disk.Disk, func() error, error) {
	path := filepath.Join(dir, "disk")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return nil, nil, err
	}
	if err := os.Truncate(path, diskSize); err != nil {
		return nil, nil, err
	}
	if out, err := exec.CommandContext(ctx, "mkfs.ext4", "-q", path).CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("mkfs.ext4: %w\n%s", err, out)
	}
	d, err := disk.Open(path)
	if err != nil {
		return nil, nil, err
	}
	l, err := net.Listen("unix", filepath.Join(dir, "nbd"))
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	served := make(chan error, 1)
	go func() { served <- d.Serve(l) }()
	return d, func() error { return errors.Join(l.Close(), <-served, d.Close()) }, nil
}

func buildGuest(ctx context.Context, dir string) (string, error) {
	root, err := build.Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "guest")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./test/power/guest")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the guest: %w\n%s", err, out)
	}
	return path, nil
}
