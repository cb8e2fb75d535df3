// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"crisp/test/build"
	"crisp/test/cri"
	"crisp/test/daemon"
	"crisp/test/lane"

	cri_v1 "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// runtime is a daemon that pulls, with an empty store each time that it is started.
type runtime struct {
	name  string
	start func(ctx context.Context, dir string) (pid int, socket string, stop func() error, err error)
}

func runtimes(ctx context.Context, l *lane.Lane) ([]runtime, error) {
	containerd, err := build.Containerd(ctx)
	if err != nil {
		return nil, err
	}
	return []runtime{
		{"crisp", func(ctx context.Context, dir string) (int, string, func() error, error) {
			d, err := daemon.Start(ctx, daemon.Config{Binary: l.Crisp, Dir: dir})
			if err != nil {
				return 0, "", nil, err
			}
			return d.Pid(), d.Socket(), func() error { return errors.Join(d.Stop(), d.Close()) }, nil
		}},
		{"containerd", containerdWith(containerd, "")},
		{"containerd, parallel", containerdWith(containerd, parallelUnpack)},
		{"containerd, sync", containerdWith(containerd, syncFilesystem)},
	}, nil
}

// parallelUnpack is what containerd has against slow pulls, off by default.
const parallelUnpack = `
  [plugins."io.containerd.cri.v1.images"]
    max_concurrent_downloads = 6
    concurrent_layer_fetch_buffer = 8388608
  [plugins."io.containerd.transfer.v1.local"]
    max_concurrent_downloads = 6
    max_concurrent_unpacks = 6
    concurrent_layer_fetch_buffer = 8388608
`

// syncFilesystem is what containerd has for images that survive a power cut, off by default.
const syncFilesystem = `
  [plugins."io.containerd.cri.v1.images"]
    image_pull_with_sync_fs = true
`

// containerdConfig has the defaults but for directories, and without what pulling does not need. Arguments: directory, more tables.
const containerdConfig = `version = 3
root = "%[1]s/root"
state = "%[1]s/state"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "%[1]s/sock"
[plugins]
  [plugins."io.containerd.internal.v1.opt"]
    path = "%[1]s/opt"
  [plugins."io.containerd.cri.v1.runtime".cni]
    conf_dir = "%[1]s/cni"
    bin_dirs = ["%[1]s/cni"]
%[2]s`

func containerdWith(binary, tables string) func(context.Context, string) (int, string, func() error, error) {
	return func(ctx context.Context, dir string) (int, string, func() error, error) {
		config, socket := filepath.Join(dir, "config.toml"), filepath.Join(dir, "sock")
		if err := os.WriteFile(config, fmt.Appendf(nil, containerdConfig, dir, tables), 0o600); err != nil {
			return 0, "", nil, err
		}
		log, err := os.Create(filepath.Join(dir, "log"))
		if err != nil {
			return 0, "", nil, err
		}
		cmd := exec.Command(binary, "--config", config, "--log-level", "warn")
		cmd.Stdout, cmd.Stderr = log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			return 0, "", nil, errors.Join(err, log.Close())
		}
		stop := func() error {
			_ = cmd.Process.Signal(os.Interrupt)
			return errors.Join(cmd.Wait(), log.Close())
		}
		if err := ready(ctx, socket); err != nil {
			text, _ := os.ReadFile(log.Name())
			return 0, "", nil, errors.Join(fmt.Errorf("containerd: %w; its log:\n%s", err, text), stop())
		}
		return cmd.Process.Pid, socket, stop, nil
	}
}

// ready waits until the image service of a socket answers.
func ready(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no socket: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	client, err := cri.Dial(socket)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		_, err := client.ListImages(ctx, &cri_v1.ListImagesRequest{})
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
