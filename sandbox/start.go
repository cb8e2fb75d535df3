// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/sandbox/record"
)

// startTimeout bounds a start, which is one message to the monitor and the answer after the exec.
const startTimeout = 30 * time.Second

// StartContainer runs a created container. When its exec fails, the container has exited with code 128 and reason
// StartError. It is no job: the answer comes in milliseconds, and a retry after it is told the container's state.
func (m *Manager) StartContainer(ctx context.Context, id string) error {
	c, err := m.index.container(id)
	if err != nil {
		return err
	}
	if err := c.op.lock(ctx); err != nil {
		return fmt.Errorf("start container %s: %w", c.rec.ID, err)
	}
	defer c.op.unlock()
	if s := c.state(); s != runtime.ContainerState_CONTAINER_CREATED {
		return fmt.Errorf("start container %s: %w: it is %s, not created", c.rec.ID, ErrState, stateWord(s))
	}
	if !c.pod.ready() {
		return fmt.Errorf("start container %s: %w: its pod is not ready", c.rec.ID, ErrState)
	}
	oc := c.live.Load()
	if oc == nil {
		return fmt.Errorf("start container %s: %w: its monitor does not answer", c.rec.ID, ErrState)
	}
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	startedAt := time.Now().UnixNano() // before the start, so that no exit is earlier
	c.beginStart()
	err = oc.Start(work)
	m.endStart(c, startedAt, err)
	if err != nil {
		return fmt.Errorf("start container %s: %w", c.rec.ID, err)
	}
	return nil
}

func (c *container) beginStart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.starting = true
}

// endStart notes the outcome, and an exit that came before the answer.
func (m *Manager) endStart(c *container, startedAt int64, failure error) {
	if failure == nil {
		c.mu.Lock()
		c.update(func(s *record.ContainerStatus) { s.StartedAt = startedAt })
		c.mu.Unlock()
		m.tell(c.pod, c.rec.ID, eventStarted)
		m.disk.Measure(c.rec.ID, c.upper())
	}
	c.mu.Lock()
	exit := c.early
	c.starting, c.early = false, nil
	c.mu.Unlock()
	if failure != nil {
		exit = &record.Exit{Code: codeStartError, FinishedAt: time.Now().UnixNano(), Reason: reasonStartError, Message: failure.Error()}
	}
	if exit != nil {
		m.noteExit(c, *exit)
	}
}

func stateWord(s runtime.ContainerState) string {
	switch s {
	case runtime.ContainerState_CONTAINER_CREATED:
		return "created"
	case runtime.ContainerState_CONTAINER_RUNNING:
		return "running"
	case runtime.ContainerState_CONTAINER_EXITED:
		return "exited"
	}
	return "unknown"
}
