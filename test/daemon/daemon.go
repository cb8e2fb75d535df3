// SPDX-License-Identifier: Apache-2.0

// Package daemon runs `crisp serve` in a scratch directory:
//
//	DIR/root  DIR/s (state, with crisp.sock)  DIR/certs.d  DIR/cni (empty: the embedded network)  DIR/log
//
// It can be stopped as an operator does, killed as a crash does, and started again on the same directories.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
	"crisp/test/images"
)

// Config is a scratch daemon.
type Config struct {
	Binary   string
	Dir      string   // an existing directory; keep it short: a socket's path has 107 bytes at most
	Registry string   // HOST:PORT that serves the test images
	Args     []string // more flags, which win over this package's
}

// Daemon is a running one.
type Daemon struct {
	cfg    Config
	cmd    *exec.Cmd
	exited chan error // one value when the process has ended
	log    *os.File
}

// readyTimeout bounds the time from start to the first answer; it takes milliseconds.
const readyTimeout = 20 * time.Second

// Start starts a daemon and returns when it answers.
func Start(ctx context.Context, cfg Config) (*Daemon, error) {
	d := &Daemon{cfg: cfg}
	for _, dir := range []string{"root", "s", "certs.d", "cni"} {
		if err := os.MkdirAll(filepath.Join(cfg.Dir, dir), 0o711); err != nil {
			return nil, err
		}
	}
	if cfg.Registry != "" {
		if err := images.WriteMirrors(filepath.Join(cfg.Dir, "certs.d"), cfg.Registry); err != nil {
			return nil, err
		}
	}
	var err error
	if d.log, err = os.OpenFile(d.LogPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	if err := d.start(ctx); err != nil {
		return nil, errors.Join(err, d.log.Close())
	}
	return d, nil
}

// CgroupParent is where the pods of a daemon in dir have their cgroups.
func CgroupParent(dir string) string { return "/crisp-" + filepath.Base(dir) }

// Socket is the path of the CRI socket.
func (d *Daemon) Socket() string { return filepath.Join(d.cfg.Dir, "s", "crisp.sock") }

// LogPath is the daemon's log.
func (d *Daemon) LogPath() string { return filepath.Join(d.cfg.Dir, "log") }

// Pid is the daemon's.
func (d *Daemon) Pid() int { return d.cmd.Process.Pid }

// Args are the daemon's, without the program.
func (d *Daemon) Args() []string {
	in := func(name string) string { return filepath.Join(d.cfg.Dir, name) }
	return append([]string{
		"serve", "--config", in("crisp.toml"), "--root", in("root"), "--state", in("s"), "--listen", d.Socket(),
		"--registry-dir", in("certs.d"), "--cni-conf-dir", in("cni"), "--cgroup-parent", CgroupParent(d.cfg.Dir),
	}, d.cfg.Args...)
}

// config leaves the machine's own out.
const config = `[image]
registries_conf = ""
registries_conf_dir = ""
cert_dirs = []
auth_file = ""
namespace_auth_dir = ""
policy_file = ""
policy_dir = ""
`

func (d *Daemon) start(ctx context.Context) error {
	if err := os.WriteFile(filepath.Join(d.cfg.Dir, "crisp.toml"), []byte(config), 0o600); err != nil {
		return err
	}
	d.cmd = exec.Command(d.cfg.Binary, d.Args()...)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a ^C at the terminal is not for it
	if err := d.cmd.Start(); err != nil {
		return err
	}
	d.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan<- error) { exited <- cmd.Wait() }(d.cmd, d.exited)
	if err := d.waitReady(ctx); err != nil {
		_ = d.Kill()
		text, _ := os.ReadFile(d.LogPath())
		return fmt.Errorf("start of %s: %w; its log:\n%s", d.cfg.Binary, err, text)
	}
	return nil
}

// waitReady asks for the version until there is an answer: the socket appears when the daemon has restored.
func (d *Daemon) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(d.Socket()); err == nil && d.answers(ctx) {
			return nil
		}
		select {
		case err := <-d.exited:
			d.exited <- err
			return fmt.Errorf("ended: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

func (d *Daemon) answers(ctx context.Context) bool {
	client, err := cri.Dial(d.Socket())
	if err != nil {
		return false
	}
	defer client.Close()
	_, err = client.Version(ctx, &runtime.VersionRequest{})
	return err == nil
}

// Kill is kill -9. The daemon can be started again.
func (d *Daemon) Kill() error {
	if err := d.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-d.exited
	return nil
}

// Restart starts the daemon again, with more flags, after Kill or Stop.
func (d *Daemon) Restart(ctx context.Context, args ...string) error {
	d.cfg.Args = append(d.cfg.Args, args...)
	return d.start(ctx)
}

// Stop asks the daemon to end and waits for it; the pods stay.
func (d *Daemon) Stop() error {
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case err := <-d.exited:
		if err != nil {
			return fmt.Errorf("daemon: %w (log %s)", err, d.LogPath())
		}
		return nil
	case <-time.After(readyTimeout):
		return errors.Join(fmt.Errorf("daemon: alive %v after SIGINT (log %s)", readyTimeout, d.LogPath()), d.Kill())
	}
}

// Close closes the log file; the daemon must have ended.
func (d *Daemon) Close() error { return d.log.Close() }
