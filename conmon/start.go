// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// StartConfig says how to start a monitor.
type StartConfig struct {
	SocketPath string   // where it listens; of any length
	Dir        string   // its working directory, "" for /
	Stderr     *os.File // nil for /dev/null
}

// Start starts a monitor and connects to it. The monitor belongs to no session or process group of the caller's, and ends by itself
// when nobody connects, or when the last connection ends while it holds nothing.
func Start(ctx context.Context, c StartConfig) (*Client, error) {
	l, err := listen(c.SocketPath)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	p, err := spawn(c, l)
	if err != nil {
		os.Remove(c.SocketPath)
		return nil, fmt.Errorf("start crisp-conmon: %w", err)
	}
	client, err := Connect(ctx, c.SocketPath)
	if err != nil {
		_ = p.Kill()
		_, _ = p.Wait()
		os.Remove(c.SocketPath)
		return nil, err
	}
	_ = p.Release() // the Client reaps it by the pidfd that HELLO brings
	return client, nil
}

func spawn(c StartConfig, listener *os.File) (*os.Process, error) {
	program, err := Binary()
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	stderr := c.Stderr
	if stderr == nil {
		stderr = null
	}
	// The program is one of the child's files: between fork and exec Go moves descriptors about, and may put one over any other's number.
	return os.StartProcess("/proc/self/fd/4", []string{"crisp-conmon"}, &os.ProcAttr{
		Dir:   cmp.Or(c.Dir, "/"),
		Env:   []string{},
		Files: []*os.File{null, null, stderr, listener, program}, // it closes all after its listener
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
}

// helloTimeout bounds how long a monitor may take to answer at all: one that is stopped must not stop a daemon.
const helloTimeout = 10 * time.Second

// Connect connects to a monitor that runs already.
func Connect(ctx context.Context, socketPath string) (*Client, error) {
	conn, err := dial(socketPath)
	if err != nil {
		return nil, err
	}
	c := newClient(conn)
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	if err := c.hello(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("monitor at %s: %w", socketPath, err)
	}
	return c, nil
}
