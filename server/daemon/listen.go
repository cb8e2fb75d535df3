// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// probeTimeout is how long a socket that is there may take to accept. A Unix connect only blocks when the backlog is
// full, which a daemon that is alive but overwhelmed shows.
const probeTimeout = time.Second

// ListenPrivate opens a Unix socket that only this process's user can connect to, as Listen does otherwise.
func ListenPrivate(ctx context.Context, path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return listenPrivate(ctx, path)
}

// Listen opens the Unix socket at path with mode 0660 and this process's owner. A socket that is left over is replaced,
// but only when nobody answers on it; otherwise the error is ErrInUse. Anything else than a socket is left alone.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	l, err := ListenPrivate(ctx, path)
	if err != nil {
		return nil, err // names the operation, the network and the path itself
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// listenPrivate listens on a socket that only this process's user can connect to. Its file's mode is the socket inode's at
// bind, masked by the umask (unix(7); net/unix/af_unix.c unix_bind_bsd): set before, there is no moment at which others
// can connect.
func listenPrivate(ctx context.Context, path string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, failed)
	}}
	return config.Listen(ctx, "unix", path)
}

// removeStale removes the socket at path unless somebody answers on it.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s: is there and is not a socket", path)
	}
	d := net.Dialer{Timeout: probeTimeout}
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("%s: %w", path, ErrInUse)
	case errors.Is(err, unix.ECONNREFUSED): // nobody listens: left over
		return os.Remove(path)
	case errors.Is(err, fs.ErrNotExist): // its owner removed it just now
		return nil
	case errors.Is(err, unix.EAGAIN), errors.Is(err, os.ErrDeadlineExceeded): // listens, and its backlog is full
		return fmt.Errorf("%s: %w, which does not accept", path, ErrInUse)
	default:
		return err
	}
}
