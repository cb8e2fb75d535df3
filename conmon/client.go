// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"context"
	"errors"
	"os"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// Client is a connection to a monitor. It is safe for concurrent use.
type Client struct{}

// Pid returns the process ID of the monitor.
func (c *Client) Pid() int { return 0 }

// Events returns the exits of containers (not of execs). It is closed when the monitor is gone or the Client closed; then Err says why.
func (c *Client) Events() <-chan Event { return nil }

// Err returns why Events was closed: ErrGone or ErrClosed.
func (c *Client) Err() error { return errors.ErrUnsupported }

// Close closes the connection. The monitor and its containers go on.
func (c *Client) Close() error { return errors.ErrUnsupported }

// CreateRequest says what to create.
type CreateRequest struct {
	ID    string // of the container, 71 bytes at most
	Plan  *plan.Plan
	Files []*os.File // for the registers 0, 1, …; stay the caller's
	// Log gets the CRI log (opened O_WRONLY|O_APPEND), ExitDir the exit record, and OOM is memory.events (v2) or
	// memory.oom_control (v1) of the container's cgroup. All may be nil, and stay the caller's.
	Log, ExitDir, OOM *os.File
	TTY               bool // the plan has a PTY step
	Stdin             bool // keep a pipe open as stdin
	StdinOnce         bool // and close it when the first attach with stdin ends
}

// Process is a process that was made. The caller closes its files.
type Process struct {
	Pid     int
	Pidfd   *os.File
	Console *os.File // the master of the terminal: of an exec with TTY only
	Sent    []SentFile
}

// SentFile is a descriptor that a SEND_FD step sent back.
type SentFile struct {
	Kind uint32 // argument a of the step
	File *os.File
}

// Create makes a process that stands at its plan's BARRIER. On error, a *StepError if the plan's fault, nothing is left.
// When ctx ends first, the process is killed and forgotten.
func (c *Client) Create(ctx context.Context, r CreateRequest) (Process, error) {
	return Process{}, errors.ErrUnsupported
}

// StartContainer lets a created process go on to its exec. If that fails the error is a *StepError, and the container has exited with code 128.
func (c *Client) StartContainer(ctx context.Context, id string) error { return errors.ErrUnsupported }

// ExecRequest says what to execute.
type ExecRequest struct {
	ID                    string // of the exec itself, "" for a random one
	Plan                  *plan.Plan
	Files                 []*os.File // for the registers; stay the caller's
	Stdin, Stdout, Stderr *os.File   // go straight into the process; nil is /dev/null; stay the caller's
	TTY                   bool       // the plan has a PTY step; the three files are not used
}

// Exec is a process that was made by Client.Exec.
type Exec struct {
	Process
	ID string
}

// Exec makes a process and returns when its exec has succeeded. When ctx ends first, the process is killed.
func (c *Client) Exec(ctx context.Context, r ExecRequest) (*Exec, error) {
	return nil, errors.ErrUnsupported
}

// Wait waits for the exit of the process.
func (e *Exec) Wait(ctx context.Context) (Exit, error) { return Exit{}, errors.ErrUnsupported }

// Resize sets the size of the terminal.
func (e *Exec) Resize(rows, cols uint16) error { return errors.ErrUnsupported }

// Signal sends a signal to the process.
func (e *Exec) Signal(sig unix.Signal) error { return errors.ErrUnsupported }

// Close closes the files of the Process. It does not end it.
func (e *Exec) Close() error { return errors.ErrUnsupported }

// AttachRequest says what to attach. Nil files are not attached; given ones stay the caller's and are best pipes.
type AttachRequest struct {
	ID                    string
	Stdin, Stdout, Stderr *os.File // read from, written to, written to
}

// Attach connects files to the stdio of a container. It returns at once; the container's exit, and the other ends being
// closed, end it, and the monitor's closing of Stdout and Stderr tells so.
func (c *Client) Attach(ctx context.Context, r AttachRequest) error { return errors.ErrUnsupported }

// Resize sets the size of a container's terminal.
func (c *Client) Resize(ctx context.Context, id string, rows, cols uint16) error {
	return errors.ErrUnsupported
}

// CloseStdin closes the stdin of a container.
func (c *Client) CloseStdin(ctx context.Context, id string) error { return errors.ErrUnsupported }

// ReopenLog makes a container's output go to another log from here on.
func (c *Client) ReopenLog(ctx context.Context, id string, log *os.File) error {
	return errors.ErrUnsupported
}

// Signal sends a signal to the first process of a container, or to an exec.
func (c *Client) Signal(ctx context.Context, id string, sig unix.Signal) error {
	return errors.ErrUnsupported
}

// List returns what the monitor holds.
func (c *Client) List(ctx context.Context) ([]State, error) { return nil, errors.ErrUnsupported }

// Forget drops an exited container.
func (c *Client) Forget(ctx context.Context, id string) error { return errors.ErrUnsupported }

// Shutdown ends the monitor and waits until it is gone. While containers live it is refused with EBUSY, unless force: then they are killed.
func (c *Client) Shutdown(ctx context.Context, force bool) error { return errors.ErrUnsupported }
