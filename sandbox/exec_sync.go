// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"time"

	"crisp/oci"
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
	pipes, err := newPipes(false, true, true)
	if err != nil {
		return nil, nil, 0, err
	}
	defer pipes.close()
	x, err := m.startExec(ctx, c, oc, oci.ExecRequest{Stdout: pipes.out.w, Stderr: pipes.err.w}, cmd)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
		return nil, nil, 0, err
	}
	defer x.Close()
	pipes.closeRemote()
	out, errs := &cappedBuffer{max: maxExecOutput}, &cappedBuffer{max: maxExecOutput}
	copied := pipes.collect(out, errs)
	exit, err := m.awaitExec(ctx, c, x)
	pipes.drain(copied)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("%w: %w", err, context.Cause(ctx))
	}
	return out.data, errs.data, int32(exit.Code), nil
}

// cappedBuffer keeps the first max bytes that are written to it and takes the rest.
type cappedBuffer struct {
	data []byte
	max  int
}

func (b *cappedBuffer) Write(p []byte) (int, error) {
	b.data = append(b.data, p[:min(len(p), b.max-len(b.data))]...)
	return len(p), nil
}
