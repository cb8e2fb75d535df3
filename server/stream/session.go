// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"

	"crisp/sandbox"
)

// session is one client's exec, attach or port-forward: what is called when the streams are open. Of cri-streaming's arguments
// the name and uid of a pod are for kubelets; its contexts do not end with the client, so the connection's is taken instead.
type session struct {
	runtime Runtime
	log     *slog.Logger
	client  *conn
	wanted  remotecommand.Options // WebSocket makes a channel for each stream, asked for or not
}

// channels are the open streams of an exec or attach.
type channels struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	resize         <-chan remotecommand.TerminalSize
}

// exec runs a command. An exit code over 0 is a utilexec.CodeExitError.
func (s *session) exec(id string, cmd []string, c channels) error {
	ctx, cancel := context.WithCancel(s.client.ctx)
	defer cancel()
	start := time.Now()
	code, err := s.runtime.Exec(ctx, id, sandbox.ExecRequest{
		Cmd:    cmd,
		TTY:    s.wanted.TTY,
		Stdin:  reader(s.wanted.Stdin, c.stdin),
		Stdout: writer(s.wanted.Stdout, c.stdout),
		Stderr: writer(s.wanted.Stderr, c.stderr),
		Resize: sizes(ctx, c.resize),
	})
	subject := []slog.Attr{slog.String("container", id), slog.Any("cmd", cmd)}
	if err == nil {
		subject = append(subject, slog.Int("exit", code))
	}
	s.ended("exec", err, start, subject...)
	if err == nil && code != 0 {
		return utilexec.CodeExitError{Err: fmt.Errorf("command terminated with exit code %d", code), Code: code}
	}
	return err
}

// attach connects to a container's own streams.
func (s *session) attach(id string, c channels) error {
	ctx, cancel := context.WithCancel(s.client.ctx)
	defer cancel()
	start := time.Now()
	err := s.runtime.Attach(ctx, id, sandbox.AttachRequest{
		TTY:    s.wanted.TTY,
		Stdin:  reader(s.wanted.Stdin, c.stdin),
		Stdout: writer(s.wanted.Stdout, c.stdout),
		Stderr: writer(s.wanted.Stderr, c.stderr),
		Resize: sizes(ctx, c.resize),
	})
	s.ended("attach", err, start, slog.String("container", id))
	return err
}

// ExecInContainer implements remotecommand.Executor.
func (s *session) ExecInContainer(_ context.Context, _, _, id string, cmd []string, in io.Reader, out, err io.WriteCloser,
	_ bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	return s.exec(id, cmd, channels{in, out, err, resize})
}

// AttachContainer implements remotecommand.Attacher.
func (s *session) AttachContainer(_ context.Context, _, _, id string, in io.Reader, out, err io.WriteCloser,
	_ bool, resize <-chan remotecommand.TerminalSize) error {
	return s.attach(id, channels{in, out, err, resize})
}

// PortForward implements portforward.PortForwarder.
func (s *session) PortForward(_ context.Context, podID, _ string, port int32, data io.ReadWriteCloser) error {
	ctx, cancel := context.WithCancel(s.client.ctx)
	defer cancel()
	start := time.Now()
	failed := s.runtime.PortForward(ctx, podID, port, data)
	s.ended("port-forward", failed, start, slog.String("pod", podID), slog.Int("port", int(port)))
	return failed
}

// ended records who was let in to what and for how long. A client that left is no fault.
func (s *session) ended(kind string, err error, start time.Time, subject ...slog.Attr) {
	level := slog.LevelInfo
	attrs := append(subject, slog.Duration("took", time.Since(start).Round(time.Microsecond)))
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
		if s.client.ctx.Err() == nil {
			level = slog.LevelWarn
		}
	}
	s.log.LogAttrs(context.Background(), level, kind+" session ended", attrs...)
}

// reader and writer return nil, not an interface around a nil, for a stream that was not asked for.
func reader(wanted bool, r io.Reader) io.Reader {
	if !wanted {
		return nil
	}
	return r
}

func writer(wanted bool, w io.Writer) io.Writer {
	if !wanted {
		return nil
	}
	return w
}

// sizes translates terminal sizes until in is closed or ctx ends.
func sizes(ctx context.Context, in <-chan remotecommand.TerminalSize) <-chan sandbox.Size {
	if in == nil {
		return nil
	}
	out := make(chan sandbox.Size)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case size, ok := <-in:
				if !ok {
					return
				}
				select {
				case out <- sandbox.Size{Rows: size.Height, Cols: size.Width}:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}
