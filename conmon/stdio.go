// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"context"
	"os"
)

// AttachRequest says what to attach. Nil files are not attached; given ones stay the caller's and are best pipes. The monitor makes
// them non-blocking.
type AttachRequest struct {
	ID                    string
	Stdin, Stdout, Stderr *os.File // read from, written to, written to
}

// Attach connects files to the stdio of a container. It returns at once; the container's exit, and the other ends being
// closed, end it, and the monitor's closing of Stdout and Stderr tells so, once the caller has closed its own.
func (c *Client) Attach(ctx context.Context, r AttachRequest) error {
	m := about(msgAttach, r.ID)
	var files []*os.File
	for _, o := range []optional{{r.Stdin, fStdin}, {r.Stdout, fStdout}, {r.Stderr, fStderr}} {
		if o.file != nil {
			files = append(files, o.file)
			m.Flags |= o.flag
		}
	}
	return c.simple(ctx, m, files)
}

// Resize sets the size of a container's terminal.
func (c *Client) Resize(ctx context.Context, id string, rows, cols uint16) error {
	m := about(msgResize, id)
	m.Rows, m.Cols = rows, cols
	return c.simple(ctx, m, nil)
}

// CloseStdin closes the stdin of a container, after what the monitor has read from attachers so far. A terminal has none of its own.
func (c *Client) CloseStdin(ctx context.Context, id string) error {
	return c.simple(ctx, about(msgCloseStdin, id), nil)
}

// ReopenLog makes a container's output go to another log from here on. Lines that are not finished yet go there as a whole.
func (c *Client) ReopenLog(ctx context.Context, id string, log *os.File) error {
	return c.simple(ctx, about(msgReopenLog, id), []*os.File{log})
}
