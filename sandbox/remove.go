// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/conmon"
	"crisp/sandbox/job"
	"crisp/sandbox/record"
)

// RemoveContainer kills the container if it runs and removes it. A container that is gone is no error.
func (m *Manager) RemoveContainer(ctx context.Context, id string) error {
	c, err := m.index.container(id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return m.end(ctx, "remove container "+c.rec.ID, func(t *job.Task) error { return m.removeContainer(t, c) })
}

// removeContainer is the work; it may be run again at any point. The log file is the kubelet's.
func (m *Manager) removeContainer(t *job.Task, c *container) error {
	m.index.freeContainerName(c) // a new container may have its identity from now on
	c.mu.Lock()
	c.update(func(s *record.ContainerStatus) { s.RemovingAt = time.Now().UnixNano() })
	c.mu.Unlock()
	t.Stage("kill container")
	if c.state() != runtime.ContainerState_CONTAINER_EXITED {
		if err := m.stopContainer(t.Context(), c, 0); err != nil {
			return err
		}
	}
	if err := c.op.lock(t.Context()); err != nil {
		return err
	}
	defer c.op.unlock()
	if found, _ := m.index.container(c.rec.ID); found != c {
		return nil // another removal, of the whole pod, was faster
	}
	t.Stage("release container")
	ctx, cancel := context.WithTimeout(t.Context(), releaseTimeout)
	defer cancel()
	if err := m.releaseContainer(ctx, c); err != nil {
		return err
	}
	m.index.removeContainer(c)
	m.rates.Forget(c.rec.ID)
	m.tell(c.pod, c.rec.ID, eventDeleted)
	return nil
}

// releaseContainer releases everything that has the container's ID, its record last. Like releasePod it serves every way of ending,
// and may be repeated.
func (m *Manager) releaseContainer(ctx context.Context, c *container) error {
	c.disconnect()
	if err := m.releaseCgroup(ctx, c.rec.Cgroup); err != nil {
		return fmt.Errorf("cgroup of container %s: %w", c.rec.ID, err)
	}
	if live := c.pod.live.Load(); live != nil && live.monitor != nil {
		err := live.monitor.Forget(ctx, c.rec.ID)
		if err != nil && !errors.Is(err, conmon.ErrUnknownID) && !errors.Is(err, conmon.ErrGone) && !errors.Is(err, conmon.ErrClosed) {
			return fmt.Errorf("monitor, forget container %s: %w", c.rec.ID, err)
		}
	}
	if err := os.RemoveAll(m.dirs.bundle(c.rec.PodID, c.rec.ID)); err != nil {
		return err
	}
	m.cfg.Images.Release(c.rec.ID)
	m.disk.Forget(c.rec.ID)
	return removeDir(c.dir)
}
