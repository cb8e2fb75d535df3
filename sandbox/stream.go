// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"io"
)

// Size is a terminal's.
type Size struct{ Rows, Cols uint16 }

// ExecRequest describes an interactive command. Streams that are nil are absent. The streams stay the caller's; Exec
// does not read or write them any more once it has returned.
type ExecRequest struct {
	Cmd            []string
	TTY            bool
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Resize         <-chan Size // may be nil; closed by the sender
}

// AttachRequest describes an attachment to a container's own stdio.
type AttachRequest struct {
	TTY            bool
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Resize         <-chan Size
}

// Exec runs a command in a container and returns its exit code when it has ended and its output is copied.
func (m *Manager) Exec(ctx context.Context, id string, r ExecRequest) (int, error) {
	return 0, errors.ErrUnsupported
}

// Attach connects streams to a running container's stdio until they end, the container ends, or ctx does.
func (m *Manager) Attach(ctx context.Context, id string, r AttachRequest) error {
	return errors.ErrUnsupported
}

// PortForward copies between conn and a TCP port on the pod's loopback until either side ends.
func (m *Manager) PortForward(ctx context.Context, podID string, port int32, conn io.ReadWriteCloser) error {
	return errors.ErrUnsupported
}
