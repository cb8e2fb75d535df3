// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"errors"
	"fmt"
	"os"

	"crisp/conmon"
	"crisp/oci"
	"crisp/oci/checkpoint"

	"golang.org/x/sys/unix"
)

// RestoreRequest says what to restore: the container of a bundle, with the processes of a checkpoint.
type RestoreRequest struct {
	RunRequest
	Checkpoint checkpoint.Options
}

// Restore makes a container of a checkpoint and, unless detached, waits for its end and returns its exit code, as Run does.
func (r *Runtime) Restore(ctx context.Context, q RestoreRequest) (int, error) {
	process := q.Config.Spec.Process
	if err := checkConsole(process, q.Detach, q.ConsoleSocket); err != nil {
		return -1, err
	}
	f, err := newForeground(process.Terminal, q.Detach)
	if err != nil {
		return -1, err
	}
	defer f.Close()
	c, p, err := r.restore(ctx, &q)
	if err != nil {
		return -1, err
	}
	defer c.Close()
	defer p.Close()
	return c.follow(ctx, f, p, &q.RunRequest)
}

// restore makes the container. Its lock is held until its Close.
func (r *Runtime) restore(ctx context.Context, q *RestoreRequest) (*container, conmon.Process, error) {
	var undo undo
	defer undo.run()
	sinks, err := dialSinks(q.ConsoleSocket, q.PidfdSocket)
	if err != nil {
		return nil, conmon.Process{}, err
	}
	defer sinks.Close()
	c, err := r.begin(&q.CreateRequest, &undo)
	if err != nil {
		return nil, conmon.Process{}, err
	}
	p, err := c.restore(ctx, q, &undo)
	if err == nil {
		err = errors.Join(sinks.send(p), pidFile(q.PidFile, p.Pid))
	}
	if err != nil {
		return nil, conmon.Process{}, err
	}
	undo.release()
	return c, p, nil
}

// restore makes the processes, and records the first.
func (c *container) restore(ctx context.Context, q *RestoreRequest, undo *undo) (conmon.Process, error) {
	e, err := c.runtime.openEngine()
	if err != nil {
		return conmon.Process{}, err
	}
	defer e.Close()
	if err := subreaper(true); err != nil {
		return conmon.Process{}, err
	}
	if !q.Config.Spec.Process.Terminal {
		q.Checkpoint.Stdin, q.Checkpoint.Stdout, q.Checkpoint.Stderr = os.Stdin, os.Stdout, os.Stderr
	}
	made, restored, err := e.oci.Restore(ctx, oci.RestoreRequest{
		ID: c.ID, Monitor: &once{container: c}, Spec: q.Config.Spec, Bundle: q.Bundle, Options: q.Checkpoint,
	})
	if err != nil {
		return conmon.Process{}, c.rootlessError(err)
	}
	p := conmon.Process{Pid: made.Pid, Pidfd: made.Pidfd, Console: restored.Console}
	undo.push(func() {
		discard(made, c.runtime)
		await(p.Pid)
		p.Close()
	})
	s, err := readStat(p.Pid)
	if err != nil {
		return conmon.Process{}, fmt.Errorf("process %d: %w", p.Pid, err)
	}
	c.Pid, c.StartTime = p.Pid, s.startTime
	c.Freezer = made.Cgroup.FreezerFile()
	c.TimeNamespace = ownTime(p.Pid)
	return p, c.write()
}

// ownTime says whether a process is in another time namespace than we: criu restores processes in one, so that their clocks go on as they were.
func ownTime(pid int) bool {
	var own, other unix.Stat_t
	return unix.Stat("/proc/self/ns/time", &own) == nil && unix.Stat(fmt.Sprintf("/proc/%d/ns/time", pid), &other) == nil && own.Ino != other.Ino
}
