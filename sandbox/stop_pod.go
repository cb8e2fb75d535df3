// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"crisp/sandbox/job"
	"crisp/sandbox/record"
)

// StopPod kills the pod's containers and its sandbox and frees its network. A pod that is gone is no error.
func (m *Manager) StopPod(ctx context.Context, id string) error {
	p, err := m.index.pod(id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if p.status().StoppedAt != 0 {
		return nil
	}
	return m.end(ctx, "stop pod "+p.rec.ID, func(t *job.Task) error {
		if err := p.op.lock(t.Context()); err != nil {
			return err
		}
		defer p.op.unlock()
		return m.stopPod(t, p)
	})
}

// end runs the work that ends an object as a job: the same call again joins it.
func (m *Manager) end(ctx context.Context, what string, work func(*job.Task) error) error {
	_, err := m.ends.Do(ctx, job.Request[struct{}]{Key: what, Work: func(t *job.Task) (struct{}, error) {
		return struct{}{}, work(t)
	}})
	if err != nil {
		return fmt.Errorf("%s: %w", what, jobError(err))
	}
	return nil
}

// stopPod is the work; the caller holds p.op. Containers that do not die do not keep the network: it is released anyway, and
// the error of the stop names them.
func (m *Manager) stopPod(t *job.Task, p *pod) error {
	if p.status().StoppedAt != 0 {
		return nil
	}
	p.end()
	t.Stage("wait for container creations")
	m.shutGate(t.Context(), p)
	t.Stage("kill containers")
	var kills errgroup.Group
	for _, c := range m.index.containersOf(p.rec.ID) {
		kills.Go(func() error { return m.stopContainer(t.Context(), c, 0) })
	}
	killed := kills.Wait()
	t.Stage("release sandbox")
	ctx, cancel := context.WithTimeout(t.Context(), releaseTimeout)
	defer cancel()
	if err := errors.Join(killed, m.releasePod(ctx, p)); err != nil {
		return err
	}
	wasReady := p.ended("stopped")
	p.update(func(s *record.PodStatus) bool {
		s.StoppedAt = time.Now().UnixNano()
		return true
	})
	if wasReady {
		m.tell(p, p.rec.ID, eventStopped)
	}
	return nil
}

// shutGate ends the creations of containers. One that is stuck (the monitor opens a volume of a dead NFS server) does not hold up the
// stop: it cannot come to be any more, and releases what it has made when it is let go.
func (m *Manager) shutGate(ctx context.Context, p *pod) {
	ctx, cancel := context.WithTimeout(ctx, gateWait)
	defer cancel()
	if err := p.gate.shut(ctx); err != nil {
		p.log.Warn("going on with the stop", "err", err)
	}
}

// gateWait is how long a stop waits for creations of containers to give up.
const gateWait = 10 * time.Second

// RemovePod stops and removes the pod, its containers and their records. A pod that is gone is no error.
func (m *Manager) RemovePod(ctx context.Context, id string) error {
	p, err := m.index.pod(id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return m.end(ctx, "remove pod "+p.rec.ID, func(t *job.Task) error { return m.removePod(t, p) })
}

// removePod is the work. The record goes last.
func (m *Manager) removePod(t *job.Task, p *pod) error {
	if err := p.op.lock(t.Context()); err != nil {
		return err
	}
	defer p.op.unlock()
	m.index.freePodName(p) // a new pod may have its identity from now on
	p.update(func(s *record.PodStatus) bool {
		s.RemovingAt = time.Now().UnixNano()
		return true
	})
	if err := m.stopPod(t, p); err != nil {
		return err
	}
	t.Stage("remove containers")
	var removals errgroup.Group
	for _, c := range m.index.containersOf(p.rec.ID) {
		removals.Go(func() error { return m.removeContainer(t, c) })
	}
	if err := removals.Wait(); err != nil {
		return err
	}
	t.Stage("remove record")
	if err := removeDir(p.dir); err != nil {
		return err
	}
	m.index.removePod(p)
	m.rates.Forget(p.rec.ID)
	m.tell(p, p.rec.ID, eventDeleted)
	return nil
}

// removeDir removes an object's directory, its record last, so that what a crash leaves is still owned by a record.
func removeDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == record.RecordFile {
			continue
		}
		if err := os.RemoveAll(dir + "/" + e.Name()); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}
