// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"
)

// Bounds of a call of a plugin.
const (
	// maxOutput bounds what is kept of a plugin's output.
	maxOutput = 1 << 20
	// drain is how long output is awaited from children that a plugin left behind.
	drain = time.Second
	// busyTries and busyPause: a plugin that is being installed cannot be executed (ETXTBSY).
	busyTries = 6
	busyPause = 200 * time.Millisecond
)

// executor calls plugins. libcni's own lets a plugin's child that keeps stdout open hold the call for ever, and kills the plugin alone
// when the time is over.
type executor struct {
	version.PluginDecoder
	log *slog.Logger
}

// FindInPath implements invoke.Exec.
func (e *executor) FindInPath(plugin string, paths []string) (string, error) {
	path, err := invoke.FindInPath(plugin, paths)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoPlugin, err)
	}
	return path, nil
}

// ExecPlugin implements invoke.Exec.
func (e *executor) ExecPlugin(ctx context.Context, path string, stdin []byte, environ []string) ([]byte, error) {
	start := time.Now()
	var stdout, stderr limited
	var err error
	for range busyTries {
		stdout, stderr = limited{}, limited{}
		err = run(ctx, path, stdin, environ, &stdout, &stderr)
		if !errors.Is(err, syscall.ETXTBSY) || !pause(ctx) {
			break
		}
	}
	e.log.Debug("CNI plugin called", "plugin", filepath.Base(path), "took", time.Since(start), "error", err)
	if err != nil {
		return nil, failure(ctx, path, err, stdout.Bytes(), stderr.Bytes())
	}
	if stderr.Len() > 0 {
		e.log.Debug("CNI plugin's messages", "plugin", filepath.Base(path), "stderr", stderr.String())
	}
	return stdout.Bytes(), nil
}

func run(ctx context.Context, path string, stdin []byte, environ []string, stdout, stderr *limited) error {
	c := exec.CommandContext(ctx, path)
	c.Env = environ
	c.Stdin = bytes.NewReader(stdin)
	c.Stdout, c.Stderr = stdout, stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// The group: plugins call plugins (IPAM).
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = drain
	err := c.Run()
	if errors.Is(err, exec.ErrWaitDelay) { // it succeeded and left a child with its stdout
		return nil
	}
	return err
}

func pause(ctx context.Context) bool {
	select {
	case <-time.After(busyPause):
		return true
	case <-ctx.Done():
		return false
	}
}

// failure makes an error of what the plugin said: the specification has it print a JSON object.
func failure(ctx context.Context, path string, err error, stdout, stderr []byte) error {
	name := filepath.Base(path)
	if ctx.Err() != nil {
		return fmt.Errorf("CNI plugin %s: %w (it was killed)", name, context.Cause(ctx))
	}
	said := &types.Error{}
	if json.Unmarshal(stdout, said) == nil && (said.Msg != "" || said.Code != 0) {
		return fmt.Errorf("CNI plugin %s: %w", name, said)
	}
	text := bytes.TrimSpace(append(stderr, stdout...))
	return fmt.Errorf("CNI plugin %s: %w: %.1000q", name, err, text)
}

// limited keeps the first maxOutput bytes and drops the rest.
type limited struct {
	bytes.Buffer
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if room := maxOutput - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
