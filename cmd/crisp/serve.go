// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"crisp/server"
	"crisp/server/admin"
	"crisp/server/config"
	"crisp/server/daemon"
	"crisp/server/logs"
)

// stopGrace is how long calls may go on after SIGTERM. Their jobs belong to the daemon and are taken up by its next start.
const stopGrace = 5 * time.Second

// serve is the daemon, until SIGTERM or SIGINT. Pods stay when it goes.
func serve(args []string, _ io.Writer) error {
	var flags config.Flags
	fs := flag.NewFlagSet("crisp serve", flag.ContinueOnError)
	flags.Register(fs)
	if err := parse(fs, args); err != nil {
		return err
	}
	c, err := flags.Load()
	if err != nil {
		return err
	}
	var level slog.LevelVar
	level.Set(c.Log.SlogLevel())
	logs.Adopt(logs.New(os.Stderr, c.Log.Format, &level))

	signals := make(chan os.Signal, 8)
	// SIGPIPE: without a handler a write to a standard error whose reader is gone (journald restarts) ends the process. Ignored,
	// it would stay so in every child.
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGPIPE)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- live(ctx, &c) }()
	for {
		select {
		case err := <-done:
			return err
		case sig := <-signals:
			switch sig {
			case unix.SIGHUP:
				reload(&flags, &level)
			case unix.SIGTERM, unix.SIGINT:
				slog.Info("stopping", "signal", sig.String())
				cancel()
			}
		}
	}
}

// live is the daemon's life: take the directories, restore, listen, serve until ctx ends or a server fails, and the same
// way back.
func live(ctx context.Context, c *config.Config) (err error) {
	start := time.Now()
	unix.Umask(0o022) // what is made has the mode that the code says, however the daemon was started
	if err := errors.Join(os.MkdirAll(c.Root, 0o711), os.MkdirAll(c.State, 0o711)); err != nil {
		return fmt.Errorf("state directories: %w", err)
	}
	locks, err := daemon.Acquire(c.Root, c.State)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, locks.Close()) }()
	n, err := openNode(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()

	l, err := daemon.Listen(ctx, c.Server.Listen)
	if err != nil {
		return err
	}
	srv := server.New(n.serverConfig(c))
	root, err := daemon.ListenPrivate(ctx, filepath.Join(c.State, adminSocket))
	if err != nil {
		return errors.Join(err, l.Close())
	}
	commands := admin.New(n.images)
	failed := make(chan error, 3)
	go func() { failed <- commands.Serve(root) }()
	go func() { failed <- srv.Serve(l) }()
	go func() { failed <- n.streams.Serve() }()
	notify(daemon.Ready)
	slog.Info("serving", "socket", c.Server.Listen, "version", version, "pods", len(n.pods.Pods(nil)),
		"containers", len(n.pods.Containers(nil)), "images", len(n.images.List()), "took", time.Since(start).Round(time.Microsecond))

	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	notify(daemon.Stopping)
	srv.Stop(stopGrace)
	return errors.Join(err, commands.Close())
}

// reload reads the configuration again and takes over what can change while the daemon runs: the log's level. Registries'
// hosts.toml files are read at each pull anyway.
func reload(flags *config.Flags, level *slog.LevelVar) {
	notify(daemon.Reloading())
	defer notify(daemon.Ready)
	c, err := flags.Load()
	if err != nil {
		slog.Warn("configuration not reloaded", "error", err)
		return
	}
	level.Set(c.Log.SlogLevel())
	slog.Info("configuration reloaded", "log.level", c.Log.Level)
}

// notify tells systemd; a daemon that cannot still serves.
func notify(state string) {
	if err := daemon.Notify(state); err != nil {
		slog.Warn("service manager not told", "error", err)
	}
}
