// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"io"
	"net"

	"crisp/network"
)

// PortForward copies between conn and a TCP port on the pod's loopback until both directions have ended, one has failed, or ctx
// ends. It closes conn.
func (m *Manager) PortForward(ctx context.Context, podID string, port int32, conn io.ReadWriteCloser) error {
	defer conn.Close()
	p, err := m.index.pod(podID)
	if err != nil {
		return err
	}
	if !p.ready() {
		return fmt.Errorf("port-forward to pod %s: %w: it is not ready", p.rec.ID, ErrState)
	}
	target, err := network.Dial(ctx, p.status().NetNS, port)
	if err != nil {
		return fmt.Errorf("port-forward to port %d of pod %s: %w", port, p.rec.ID, err)
	}
	defer target.Close()
	defer context.AfterFunc(ctx, func() { target.Close(); conn.Close() })()
	err = exchange(conn, target)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("port-forward to port %d of pod %s: %w", port, p.rec.ID, err)
	}
	return nil
}

// exchange copies both ways. When the pod's side ends there is nobody left to talk to; when the client's side does, the answer is
// still to come.
func exchange(conn io.ReadWriter, target net.Conn) error {
	in, out := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := io.Copy(target, conn)
		if t, ok := target.(*net.TCPConn); ok {
			t.CloseWrite() // the other side may still answer
		}
		in <- err
	}()
	go func() {
		_, err := io.Copy(conn, target)
		out <- err
	}()
	select {
	case err := <-out:
		return err
	case err := <-in:
		if err != nil {
			return err
		}
		return <-out
	}
}
