// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestAMessageOfAnyLengthComesWithOneFile: annotations may exceed what a socket takes at once.
func TestAMessageOfAnyLengthComesWithOneFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 30))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	l, err := net.Listen("unix", "agent.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, size := range []int{1, 1000, 4 << 20} {
		message := bytes.Repeat([]byte("x"), size)
		sent := make(chan error, 1)
		go func() { sent <- Send(t.Context(), filepath.Join(dir, "agent.sock"), message, file) }()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		b, oob := make([]byte, 5<<20), make([]byte, unix.CmsgSpace(4*8))
		n, oobn, _, _, err := c.(*net.UnixConn).ReadMsgUnix(b, oob)
		if err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(c)
		if err = errors.Join(err, <-sent); err != nil || !bytes.Equal(append(b[:n], rest...), message) {
			t.Errorf("%d bytes: %d came, %v", size, n+len(rest), err)
		}
		c.Close()
		m, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil || len(m) != 1 {
			t.Fatalf("%d bytes: %v %v", size, m, err)
		}
		fds, err := unix.ParseUnixRights(&m[0])
		if err != nil || len(fds) != 1 {
			t.Fatalf("%d bytes: %v %v", size, fds, err)
		}
		var st unix.Stat_t
		if err := unix.Fstat(fds[0], &st); err != nil || st.Rdev != unix.Mkdev(1, 3) {
			t.Errorf("%d bytes: another file came: %+v, %v", size, st, err)
		}
		unix.Close(fds[0])
	}
}

func TestAMissingAgentIsAnError(t *testing.T) {
	for path, want := range map[string]error{
		filepath.Join(t.TempDir(), "none.sock"):                              unix.ENOENT,
		filepath.Join(t.TempDir(), strings.Repeat("long/", 30), "none.sock"): unix.ENOENT,
		"/dev/null": unix.ECONNREFUSED,
	} {
		if err := Send(t.Context(), path, []byte("x"), os.Stdin); !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestABusyAgentIsWaitedFor: its queue is full, and nobody takes from it.
func TestABusyAgentIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	if err := Send(t.Context(), path, []byte("first"), os.Stdin); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience*time.Millisecond)
	defer cancel()
	if err := Send(ctx, path, []byte("second"), os.Stdin); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a full queue: %v", err)
	}
	sent := make(chan error, 1)
	go func() { sent <- Send(t.Context(), path, []byte("third"), os.Stdin) }()
	for range 2 {
		c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(c) // a connection that ends too early is another error
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestAProcessWithoutAListenerHasNone(t *testing.T) {
	if _, err := TakeListener(os.Getpid()); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := TakeListener(1 << 30); err == nil {
		t.Error("a listener of nobody")
	}
}
