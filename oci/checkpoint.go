// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"crisp/oci/cgroup"
	"crisp/oci/checkpoint"
	"crisp/oci/hook"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// CheckpointRequest says what of a container is saved, and where to.
type CheckpointRequest struct {
	Spec    *specs.Spec // that it was created by
	Bundle  string      // as CreateRequest.Bundle
	Options checkpoint.Options
}

// Checkpoint saves the processes of a running container by criu. Unless they are left running, or their memory alone was saved, they have ended
// then, and the container is to be deleted. On an error they go on.
func (c *Container) Checkpoint(ctx context.Context, q CheckpointRequest) error {
	c.pidfd.RLock()
	defer c.pidfd.RUnlock()
	if !c.running(0) {
		return ErrNotRunning
	}
	k := c.saved(q.Spec, q.Bundle)
	return k.Dump(ctx, q.Options)
}

func (c *Container) saved(spec *specs.Spec, bundle string) *checkpoint.Container {
	rootfs := spec.Root.Path
	if !filepath.IsAbs(rootfs) {
		rootfs = filepath.Join(bundle, rootfs)
	}
	return &checkpoint.Container{
		ID: c.ID, Spec: spec, Bundle: bundle, Rootfs: rootfs, Cgroup: c.Cgroup, Pid: c.Pid, Log: c.runtime.log,
	}
}

// RestoreRequest says what to restore: the container that the spec describes, with the processes of a checkpoint.
type RestoreRequest struct {
	ID      string
	Monitor Executor
	Spec    *specs.Spec
	Bundle  string // as CreateRequest.Bundle
	Options checkpoint.Options
}

// Restore makes a running container of a checkpoint. Its limits, its mounts, its namespaces and its hooks are those of the spec; of the hooks
// prestart and createRuntime run, and poststop when it is deleted. Its first process is the caller's child. On an error nothing is left.
func (r *Runtime) Restore(ctx context.Context, q RestoreRequest) (*Container, checkpoint.Restored, error) {
	none := checkpoint.Restored{}
	if err := Validate(q.Spec); err != nil {
		return nil, none, err
	}
	if q.Spec.Root == nil || q.Spec.Linux == nil {
		return nil, none, invalid("root", "missing")
	}
	c, err := r.container(q.ID, q.Spec, nil, q.Monitor)
	if err != nil {
		return nil, none, err
	}
	c.hooks, c.process = newHooks(q.ID, q.Spec, q.Bundle), c.containerProcess(q.Spec, q.Bundle)
	var undo cleanup
	defer undo.run()
	if c.Cgroup, err = r.cgroups.Make(ctx, cgroup.Request{
		Path: c.cgroupPath, Resources: q.Spec.Linux.Resources, Annotations: q.Spec.Annotations,
	}); err != nil {
		return nil, none, err
	}
	undo.push(func() { r.dropCgroup(c); c.undoHooks() })
	if err := r.makeResctrl(c, &undo); err != nil {
		return nil, none, err
	}
	made, err := c.saved(q.Spec, q.Bundle).Restore(ctx, q.Options, c.restored)
	if err != nil {
		return nil, none, err
	}
	if err := c.adopt(made.Pid); err != nil {
		_ = unix.Kill(made.Pid, unix.SIGKILL) // our child: the pid is its until we reap it
		return nil, none, err
	}
	undo.release()
	return c, made, nil
}

// restored runs the hooks of a restored container whose namespaces are there.
func (c *Container) restored(ctx context.Context, pid int) error {
	h := c.hooks
	if h == nil {
		return nil
	}
	h.reached = true
	for _, k := range []hook.Kind{hook.Prestart, hook.CreateRuntime} {
		if err := hook.Of(h.all, k).Run(ctx, h.at(specs.StateCreating, pid), hook.Command(h.state.Bundle)); err != nil {
			return err
		}
	}
	return nil
}

// adopt takes a restored process for the container's first.
func (c *Container) adopt(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("restored process %d: %w", pid, err)
	}
	c.Pid, c.Pidfd = pid, os.NewFile(uintptr(fd), "pidfd")
	if c.linux.IntelRdt == nil {
		return nil
	}
	return c.enterResctrl()
}
