// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"os"

	"crisp/conmon"
	"crisp/oci/cgroup"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Container is a container that was created. It is safe for concurrent use.
type Container struct {
	ID     string
	Pid    int            // of the first process; 0: it had exited when it was loaded
	Pidfd  *os.File       // of the first process; nil like Pid
	Cgroup *cgroup.Cgroup // nil: it was gone when the container was loaded
}

// Start lets the created process execute the workload.
func (c *Container) Start(ctx context.Context) error { return errors.ErrUnsupported }

// Kill sends a signal to the first process. ErrNotRunning when it has exited.
func (c *Container) Kill(sig unix.Signal) error { return errors.ErrUnsupported }

// KillAll kills every process of the container's cgroup and waits until it is empty, at most until ctx ends; the error
// (a *cgroup.StuckError) then names the processes that are left.
func (c *Container) KillAll(ctx context.Context) error { return errors.ErrUnsupported }

// ExecRequest says what to execute in a container. Files go straight into the process and stay the caller's.
type ExecRequest struct {
	ID                    string // of the exec itself, "" for a random one
	Process               *specs.Process
	Stdin, Stdout, Stderr *os.File
	TTY                   bool
}

// Exec runs a further process in the container and returns when its exec has succeeded.
func (c *Container) Exec(ctx context.Context, q ExecRequest) (*conmon.Exec, error) {
	return nil, errors.ErrUnsupported
}

// Update changes the limits of the container: all that are given, or on an error none.
func (c *Container) Update(ctx context.Context, r *specs.LinuxResources) error {
	return errors.ErrUnsupported
}

// Stats reads what the container has used.
func (c *Container) Stats() (cgroup.Stats, error) { return cgroup.Stats{}, errors.ErrUnsupported }

// Delete removes the container's cgroup and closes the Pidfd. ErrRunning while the first process runs; deleting twice is no error.
func (c *Container) Delete(ctx context.Context) error { return errors.ErrUnsupported }
