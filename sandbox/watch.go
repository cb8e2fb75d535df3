// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/conmon"
	"crisp/sandbox/record"
)

// watch takes in what a pod's monitor tells until it is gone.
func (m *Manager) watch(p *pod, mon *conmon.Client) {
	for e := range mon.Events() {
		if exit, ok := e.(conmon.EventExit); ok {
			m.onExit(p, exit)
		}
	}
	if errors.Is(mon.Err(), conmon.ErrClosed) || m.ctx.Err() != nil {
		return // we closed it: the daemon goes down, or the pod was released
	}
	m.monitorGone(p)
}

// onExit is for the exit of a container or of the pause process. It must be quick: it holds up the next event.
func (m *Manager) onExit(p *pod, e conmon.EventExit) {
	if e.ID == p.rec.ID {
		if p.ended("the pause process died") {
			m.tell(p, p.rec.ID, eventStopped)
		}
		return
	}
	if c := p.find(m.index, e.ID, exitOf(e.Exit)); c != nil {
		m.noteExit(c, exitOf(e.Exit))
	}
}

// find returns a container of the pod. The exit of one that is still being created is kept for adopt.
func (p *pod) find(x *index, id string, e record.Exit) *container {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, err := x.container(id); err == nil {
		return c
	}
	if p.strays == nil {
		p.strays = map[string]record.Exit{}
	}
	p.strays[id] = e
	return nil
}

// adopt puts a container that is complete into the index and returns the exit that it may have had already.
func (p *pod) adopt(x *index, c *container) (record.Exit, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x.addContainer(c)
	e, ok := p.strays[c.rec.ID]
	delete(p.strays, c.rec.ID)
	return e, ok
}

// disown drops what was kept for a container that did not come to be.
func (p *pod) disown(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.strays, id)
}

// noteExit makes an exit known, and kills what the container's first process has left behind. With a PID namespace of its own
// the kernel has done that; in a shared one nobody has.
func (m *Manager) noteExit(c *container, e record.Exit) {
	if !c.exited(e) {
		return
	}
	m.tell(c.pod, c.rec.ID, eventStopped)
	if c.securityContext().GetNamespaceOptions().GetPid() == runtime.NamespaceMode_CONTAINER {
		return
	}
	m.spawn(func() {
		ctx, cancel := context.WithTimeout(m.ctx, killRound)
		defer cancel()
		if oc := c.live.Load(); oc != nil {
			if err := oc.KillAll(ctx); err != nil && ctx.Err() == nil {
				c.log.Warn("processes left behind", "err", err)
			}
		}
	})
}

// monitorGone is for a monitor that is no more. When it died by itself, its containers have lost their stdio, and nobody would see
// their exits: they are killed, and the pod is not ready. When the pod is being stopped, that is how it ends.
func (m *Manager) monitorGone(p *pod) {
	ctx, cancel := context.WithTimeout(m.ctx, killRound)
	defer cancel()
	if p.ending.Err() == nil {
		p.log.Error("monitor died")
		p.end()
		if p.ended("the monitor died") {
			m.tell(p, p.rec.ID, eventStopped)
		}
		if err := m.endMonitor(ctx, p); err != nil {
			p.log.Error("dead monitor", "err", err)
		}
		if err := m.killCgroup(ctx, p.rec.Cgroup); err != nil {
			p.log.Error("pause process of a dead monitor", "err", err)
		}
	}
	for _, c := range m.index.containersOf(p.rec.ID) {
		if c.state() == runtime.ContainerState_CONTAINER_EXITED {
			continue
		}
		if err := m.killLost(ctx, c); err != nil {
			c.log.Error("container of a dead monitor", "err", err)
		}
	}
}

// killLost ends a container that has no monitor. How it ended is in its exit record, if the monitor came to write one.
func (m *Manager) killLost(ctx context.Context, c *container) error {
	if err := m.killCgroup(ctx, c.rec.Cgroup); err != nil {
		return err
	}
	m.noteExit(c, lastExit(c.dir, "its monitor died"))
	return nil
}

// lastExit is the exit record in dir, or the end of a container that nobody saw.
func lastExit(dir, otherwise string) record.Exit {
	e, err := conmon.ReadExit(dir)
	switch {
	case err == nil:
		return exitOf(e)
	case errors.Is(err, conmon.ErrNoExit):
		return lostExit(otherwise)
	}
	return lostExit(otherwise + "; exit record: " + err.Error())
}
