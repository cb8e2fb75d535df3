// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"io"

	"crisp/conmon"
	"crisp/sandbox/stdio"
)

// AttachRequest describes an attachment to a container's own stdio; see ExecRequest for the streams.
type AttachRequest struct {
	TTY            bool
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Resize         <-chan Size
}

// Attach connects streams to a running container's stdio until they end, the container ends, or ctx does.
func (m *Manager) Attach(ctx context.Context, id string, r AttachRequest) error {
	c, _, err := m.runningContainer(id)
	if err != nil {
		return err
	}
	if r.TTY != c.rec.Config.GetTty() {
		return fmt.Errorf("attach to container %s: %w: tty is %t for the container", c.rec.ID, ErrInvalid, c.rec.Config.GetTty())
	}
	live := c.pod.live.Load()
	if live == nil {
		return fmt.Errorf("attach to container %s: %w: its monitor does not answer", c.rec.ID, ErrState)
	}
	withIn := r.Stdin != nil && c.rec.Config.GetStdin()
	pipes, err := stdio.New(withIn, r.Stdout != nil, r.Stderr != nil && !r.TTY)
	if err != nil {
		return err
	}
	defer pipes.Close()
	if err := live.monitor.Attach(ctx, conmon.AttachRequest{ID: c.rec.ID, Stdin: pipes.In.R, Stdout: pipes.Out.W, Stderr: pipes.Err.W}); err != nil {
		return fmt.Errorf("attach to container %s: %w", c.rec.ID, err)
	}
	pipes.CloseRemote()
	done := make(chan struct{})
	defer close(done)
	go resizeLoop(done, r.Resize, func(s Size) error { return live.monitor.Resize(ctx, c.rec.ID, s.Rows, s.Cols) })
	fed := make(chan struct{})
	if withIn {
		go func() { defer close(fed); io.Copy(pipes.In.W, r.Stdin); pipes.In.W.Close() }()
	}
	return c.awaitAttach(ctx, pipes, r, fed)
}

// awaitAttach copies the output until it ends, the container ends, or ctx does; without output, until stdin ends.
func (c *container) awaitAttach(ctx context.Context, pipes *stdio.Pipes, r AttachRequest, fed <-chan struct{}) error {
	copied := pipes.Collect(r.Stdout, r.Stderr)
	ended := copied
	if r.Stdout == nil && r.Stderr == nil {
		ended = fed
	}
	select {
	case <-ended:
	case <-c.exit:
		pipes.Drain(copied)
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
