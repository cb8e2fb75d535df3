// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"crisp/oci/cgroup"
	"crisp/oci/seccomp"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Container is a container that was created. It is safe for concurrent use. Its state is not kept here but asked of the kernel:
//
//	Create ──▶ created ── Start ──▶ running ── exit, Kill ──▶ stopped ── Delete ──▶ gone
//	              └──────────────── Kill ────────────────────────▲
type Container struct {
	ID     string
	Pid    int            // of the first process; 0: it had exited when it was loaded
	Pidfd  *os.File       // of the first process; nil like Pid
	Cgroup *cgroup.Cgroup // nil: it was gone when the container was loaded

	root       rootMount // in a mount namespace with others
	runtime    *Runtime
	monitor    Executor
	cgroupPath string                       // as linux.cgroupsPath names it
	cgroupDir  string                       // where that is, below each hierarchy
	linux      specs.Linux                  // what of the spec concerns further processes too
	program    *seccomp.Program             // nil: unconfined; shared by all with the same profile
	hooks      *hooks                       // nil: none
	process    *specs.ContainerProcessState // for the agent of the program, without pids and status; nil: it has none

	poststopped atomic.Bool // the poststop hooks ran

	pidfd sync.RWMutex // guards the use of Pidfd against Close
}

// options are the options for all plans of the container.
func (c *Container) options() CompileOptions {
	return CompileOptions{ID: c.ID, CgroupPath: c.cgroupDir, Host: c.runtime.host, Program: c.program}
}

// Start runs the startContainer hooks, lets the created process execute the workload, and runs the poststart hooks. A hook that fails
// ends the container (runtime.md, "Lifecycle").
func (c *Container) Start(ctx context.Context) error {
	if err := c.beforeExec(ctx); err != nil {
		c.end()
		return err
	}
	if err := c.monitor.StartContainer(ctx, c.ID); err != nil {
		return err
	}
	return c.started(ctx)
}

// started runs the poststart hooks.
func (c *Container) started(ctx context.Context) error {
	err := c.poststart(ctx)
	if err != nil {
		c.end()
	}
	return err
}

// end kills a container whose start failed.
func (c *Container) end() {
	ctx, cancel := context.WithTimeout(context.Background(), undoTimeout)
	defer cancel()
	_ = c.Kill(unix.SIGKILL)
	if err := c.KillAll(ctx); err != nil {
		c.runtime.log.Warn("container that failed to start goes on", "container", c.ID, "error", err)
	}
}

// Running says whether the first process has not exited yet, started or not.
func (c *Container) Running() bool {
	c.pidfd.RLock()
	defer c.pidfd.RUnlock()
	return c.running(0)
}

// running waits up to some milliseconds for the exit. It wants the lock of the pidfd.
func (c *Container) running(patience int) bool {
	if c.Pidfd == nil || int32(c.Pidfd.Fd()) < 0 { // loaded after its exit, or deleted
		return false
	}
	fds := []unix.PollFd{{Fd: int32(c.Pidfd.Fd()), Events: unix.POLLIN}} // readable when it has exited (pidfd_open(2))
	for {
		n, err := unix.Poll(fds, patience)
		if err == unix.EINTR { //nolint:errorlint // an errno as the kernel gives it
			continue
		}
		return err == nil && n == 0
	}
}

// Kill sends a signal to the first process. ErrNotRunning when it has exited.
func (c *Container) Kill(sig unix.Signal) error {
	c.pidfd.RLock()
	defer c.pidfd.RUnlock()
	if !c.running(0) {
		return ErrNotRunning
	}
	err := unix.PidfdSendSignal(int(c.Pidfd.Fd()), sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("signal %d to process %d: %w", sig, c.Pid, err)
	}
	return nil
}

// KillAll kills every process of the container's cgroup and waits until it is empty, at most until ctx ends; the error
// (a *cgroup.StuckError) then names the processes that are left.
func (c *Container) KillAll(ctx context.Context) error {
	if c.Cgroup == nil {
		return nil
	}
	return c.Cgroup.Kill(ctx)
}

// Update changes the limits of the container: all that are given, or on an error none.
func (c *Container) Update(_ context.Context, r *specs.LinuxResources) error {
	if c.Cgroup == nil {
		return ErrNotRunning
	}
	return c.Cgroup.Set(r)
}

// Stats reads what the container has used.
func (c *Container) Stats() (cgroup.Stats, error) {
	if c.Cgroup == nil {
		return cgroup.Stats{}, ErrNotRunning
	}
	return c.Cgroup.Stats()
}

// Delete removes the container's cgroup, with processes that outlived the first one, runs the poststop hooks, and closes the Pidfd.
// ErrRunning while the first process runs; deleting twice is no error.
func (c *Container) Delete(ctx context.Context) error {
	if c.Running() {
		return ErrRunning
	}
	if err := c.removeCgroup(ctx); err != nil {
		return err
	}
	if err := errors.Join(c.removeResctrl(), c.root.unmount()); err != nil {
		return err
	}
	c.poststop(ctx)
	c.Close()
	return nil
}

// Close closes the Pidfd and leaves the process as it is. Closing twice is no error.
func (c *Container) Close() {
	c.pidfd.Lock()
	defer c.pidfd.Unlock()
	if c.Pidfd != nil {
		_ = c.Pidfd.Close() // os.ErrClosed the second time
	}
}

// removeCgroup removes the cgroup, at first as if it were empty, which it nearly always is.
func (c *Container) removeCgroup(ctx context.Context) error {
	if c.Cgroup == nil { // a unit of it may be left
		return c.runtime.cgroups.Release(ctx, c.cgroupPath)
	}
	err := c.Cgroup.Remove(ctx)
	if !errors.Is(err, cgroup.ErrBusy) {
		return err
	}
	if err := c.Cgroup.Kill(ctx); err != nil {
		return err
	}
	return c.Cgroup.Remove(ctx)
}
