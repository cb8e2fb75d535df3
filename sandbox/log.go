// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// openLog opens the container's log. No log directory or no log path mean no log.
func (b *containerBuild) openLog(context.Context) (err error) {
	path := b.c.logPath()
	if path == "" {
		return nil
	}
	b.log, _, err = openLogFile(path)
	return err
}

// openLogFile opens a log for appending, and makes it and its directory where they are missing. A symbolic link in its place is
// refused: kubectl logs reads what is there as root.
func openLogFile(path string) (f *os.File, made bool, err error) {
	const flags = os.O_WRONLY | os.O_APPEND | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY
	if f, err = os.OpenFile(path, flags|os.O_CREATE|os.O_EXCL, 0o640); errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, false, err
		}
		f, err = os.OpenFile(path, flags|os.O_CREATE|os.O_EXCL, 0o640)
	}
	if err == nil {
		return f, true, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, false, err
	}
	if f, err = os.OpenFile(path, flags, 0); err != nil {
		return nil, false, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("log %s: %w: it is not a regular file", path, ErrInvalid)
	}
	if err != nil {
		f.Close()
		return nil, false, err
	}
	return f, false, nil
}

// ReopenLog makes the container's log go to a new file at its log path, after the kubelet has renamed the old one. On an error no
// such file was made: the kubelet renames the old one back then.
func (m *Manager) ReopenLog(ctx context.Context, id string) error {
	c, err := m.index.container(id)
	if err != nil {
		return err
	}
	path := c.logPath()
	if path == "" {
		return fmt.Errorf("reopen log of container %s: %w: it has none", c.rec.ID, ErrState)
	}
	if c.state() != runtime.ContainerState_CONTAINER_RUNNING {
		return fmt.Errorf("reopen log of container %s: %w: it is %s", c.rec.ID, ErrNotRunning, stateWord(c.state()))
	}
	live := c.pod.live.Load()
	if live == nil {
		return fmt.Errorf("reopen log of container %s: %w: its monitor does not answer", c.rec.ID, ErrState)
	}
	f, made, err := openLogFile(path)
	if err != nil {
		return fmt.Errorf("reopen log of container %s: %w", c.rec.ID, err)
	}
	defer f.Close()
	if err := live.monitor.ReopenLog(ctx, c.rec.ID, f); err != nil {
		if made {
			os.Remove(path)
		}
		return fmt.Errorf("reopen log of container %s: %w", c.rec.ID, err)
	}
	return nil
}
