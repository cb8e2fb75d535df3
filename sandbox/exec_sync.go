// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"time"

	"crisp/oci"
	"crisp/sandbox/stdio"
)

// maxExecOutput is how much of each stream ExecSync keeps; the rest is read and dropped (api.proto, CVE-2022-1708).
const maxExecOutput = 16 << 20

// ExecSync runs a command in a container and returns what it printed, at most 16 MiB of each stream. A timeout over 0
// ends in ErrDeadline.
func (m *Manager) ExecSync(ctx context.Context, id string, cmd []string, timeout time.Duration) (stdout, stderr []byte, code int32, err error) {
	c, oc, err := m.runningContainer(id)
	if err != nil {
		return nil, nil, 0, err
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the command took longer than %s: %w", timeout, ErrDeadline))
		defer cancel()
	}
	pipes, err := stdio.New(false, true, true)
	if err != nil {
		return nil, nil, 0, err
	}
	defer pipes.Close()
	x, err := m.startExec(ctx, c, oc, oci.ExecRequest{Stdout: pipes.Out.W, Stderr: pipes.Err.W}, cmd)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
		return nil, nil, 0, err
	}
	defer x.Close()
	pipes.CloseRemote()
	out, errs := &stdio.Capped{Max: maxExecOutput}, &stdio.Capped{Max: maxExecOutput}
	copied := pipes.Collect(out, errs)
	exit, err := m.awaitExec(ctx, c, x)
	pipes.Drain(copied)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("%w: %w", err, context.Cause(ctx))
	}
	return out.Data, errs.Data, int32(exit.Code), nil
}
