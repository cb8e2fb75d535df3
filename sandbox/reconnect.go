// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/conmon"
	"crisp/oci"
	"crisp/sandbox/record"
)

// reconnectRetryMax bounds the pause between attempts to reach a monitor that holds its socket and does not answer.
const reconnectRetryMax = 30 * time.Second

// reconnectAll asks the monitors of the pods that may live, and waits for their answers, and for what is being released, for a while.
func (m *Manager) reconnectAll(ctx context.Context, found *found, first *sync.WaitGroup) {
	slots := make(chan struct{}, restoreParallel)
	for _, f := range found.pods {
		if f.fate != fateLive {
			continue
		}
		first.Add(1)
		m.spawn(func() {
			slots <- struct{}{}
			ok := m.reconnect(f.pod)
			<-slots
			first.Done()
			if !ok {
				m.keepReconnecting(f.pod)
			}
		})
	}
	answered := make(chan struct{})
	go func() { first.Wait(); close(answered) }()
	timer := time.NewTimer(restoreWait)
	defer timer.Stop()
	select {
	case <-answered:
	case <-timer.C:
		m.log.Warn("some pods are not restored yet, going on without them")
	case <-ctx.Done():
	}
}

// keepReconnecting tries again until the monitor answers or is gone, or the pod has been stopped.
func (m *Manager) keepReconnecting(p *pod) {
	for pause := time.Second; ; pause = min(2*pause, reconnectRetryMax) {
		select {
		case <-m.ctx.Done():
			return
		case <-p.ending.Done():
			return
		case <-time.After(pause):
		}
		if m.reconnect(p) {
			return
		}
	}
}

// reconnect connects to the pod's monitor and takes in what it says. False: it holds its socket, so it lives, and does not answer.
func (m *Manager) reconnect(p *pod) bool {
	ctx, cancel := context.WithTimeout(m.ctx, monitorTimeout)
	defer cancel()
	mon, err := conmon.Connect(ctx, m.dirs.socket(p.rec.ID))
	if err == nil {
		err = m.resume(ctx, p, mon)
	}
	switch {
	case err == nil || m.ctx.Err() != nil:
		return true
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, conmon.ErrGone):
		m.monitorGone(p)
		return true
	}
	p.log.Error("monitor does not answer", "err", err)
	return false
}

// resume brings the pod and its containers to what the monitor says, and watches it from then on. It owns mon.
func (m *Manager) resume(ctx context.Context, p *pod, mon *conmon.Client) error {
	states, err := mon.List(ctx)
	if err != nil {
		mon.Close()
		return err
	}
	known := map[string]conmon.State{}
	for _, s := range states {
		if s.Pidfd != nil {
			s.Pidfd.Close() // oci opens its own
		}
		known[s.ID] = s
	}
	live := &podLive{monitor: mon}
	if s, ok := known[p.rec.ID]; ok && s.Status == conmon.Running {
		if live.pause, err = m.loadPause(ctx, p, s, mon); err != nil {
			mon.Close()
			return err
		}
	}
	p.live.Store(live)
	if live.pause == nil && p.ended("the pause process died") {
		m.tell(p, p.rec.ID, eventStopped)
	}
	for _, c := range m.index.containersOf(p.rec.ID) {
		if c.state() != runtime.ContainerState_CONTAINER_EXITED {
			m.resumeContainer(ctx, c, known, mon)
		}
	}
	m.spawn(func() { m.watch(p, mon) })
	return nil
}

func (m *Manager) loadPause(ctx context.Context, p *pod, s conmon.State, mon *conmon.Client) (*oci.Container, error) {
	config, err := m.pauseSpec(p, p.status().NetNS)
	if err != nil {
		return nil, err
	}
	return m.cfg.OCI.Load(ctx, oci.LoadRequest{ID: p.rec.ID, Spec: config, Pid: s.Pid, Monitor: mon})
}

// resumeContainer brings one container to what its monitor says.
func (m *Manager) resumeContainer(ctx context.Context, c *container, known map[string]conmon.State, mon *conmon.Client) {
	s, ok := known[c.rec.ID]
	switch {
	case !ok:
		m.noteExit(c, lastExit(c.dir, "its monitor does not know it"))
		return
	case s.Status == conmon.Exited:
		c.started(s)
		m.noteExit(c, exitOf(s.Exit))
		return
	}
	if err := m.loadContainer(ctx, c, s, mon); err != nil {
		c.log.Error("container not loaded", "err", err)
		return
	}
	if s.Status == conmon.Running {
		c.started(s)
	}
}

// started notes the start of a container that was started just before the daemon died.
func (c *container) started(s conmon.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status().StartedAt == 0 && !s.StartedAt.IsZero() {
		c.update(func(st *record.ContainerStatus) { st.StartedAt = s.StartedAt.UnixNano() })
	}
}

func (m *Manager) loadContainer(ctx context.Context, c *container, s conmon.State, mon *conmon.Client) error {
	config, err := readBundle(m.dirs.bundleFile(c.rec.PodID, c.rec.ID))
	if err != nil {
		return err
	}
	oc, err := m.cfg.OCI.Load(ctx, oci.LoadRequest{ID: c.rec.ID, Spec: config, Pid: s.Pid, Monitor: mon})
	if err != nil {
		return err
	}
	c.live.Store(oc)
	c.process.Store(config.Process)
	return nil
}

// sweep ends what the restart found: pods of another boot are released, and what no record owns is removed.
func (m *Manager) sweep(found *found) {
	slots := make(chan struct{}, releaseParallel)
	var wg sync.WaitGroup
	owned := map[string]bool{}
	for _, id := range found.broken {
		owned[id] = true
	}
	for _, f := range found.pods {
		owned[f.pod.rec.ID] = true
		if f.fate != fateRebooted {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() { defer func() { <-slots }(); m.releaseRebooted(f.pod) })
	}
	wg.Wait()
	m.sweepOrphans(owned)
}

// collectNetwork frees the network of pods that no record knows. New waits for it: later it would take the network of a pod that is being
// made for one of these.
func (m *Manager) collectNetwork(ctx context.Context, found *found) {
	live := append(liveNetworks(m.index.allPods()), found.broken...)
	ctx, cancel := context.WithTimeout(ctx, collectTimeout)
	defer cancel()
	if err := m.cfg.Network.GC(ctx, live); err != nil {
		m.log.Error("network of unknown pods not released", "err", err)
	}
}

// releaseRebooted frees the network of a pod of another boot, by the configuration that it was attached with. The pod stays, NOTREADY,
// until the kubelet removes it.
func (m *Manager) releaseRebooted(p *pod) {
	ctx, cancel := context.WithTimeout(m.ctx, releaseTimeout)
	defer cancel()
	if p.op.lock(ctx) != nil {
		return
	}
	defer p.op.unlock()
	if p.status().StoppedAt != 0 {
		return
	}
	if err := m.releasePod(ctx, p); err != nil {
		p.log.Error("pod of an earlier boot not released; StopPodSandbox tries it again", "err", err)
		return
	}
	p.update(func(s *record.PodStatus) bool { s.StoppedAt = time.Now().UnixNano(); return true })
}

// sweepOrphans removes this boot's directories and namespaces of pods that have no record. None are made before their record; this is
// for what an interrupted removal has left.
func (m *Manager) sweepOrphans(owned map[string]bool) {
	orphans := map[string]bool{}
	entries, err := os.ReadDir(m.dirs.podsRun())
	if err != nil {
		m.log.Error("state directory not swept", "err", err)
	}
	for _, e := range entries {
		orphans[e.Name()] = true
	}
	pins, err := m.cfg.Network.Namespaces()
	if err != nil {
		m.log.Error("network namespaces not swept", "err", err)
	}
	for _, id := range pins {
		orphans[id] = true
	}
	for id := range orphans {
		if !validID(id) || owned[id] {
			continue
		}
		if p, _ := m.index.pod(id); p != nil {
			continue // made since
		}
		if _, err := os.Stat(filepath.Join(m.dirs.pod(id), record.RecordFile)); err == nil {
			continue // being made
		}
		m.releaseOrphan(id)
	}
}

func (m *Manager) releaseOrphan(id string) {
	m.log.Warn("left-over without a record, it is removed", "pod", id)
	rec := &record.Pod{ID: id, Cgroup: m.cfg.Defaults.cgroupPath(m.cfg.Defaults.CgroupParent, id), Config: &runtime.PodSandboxConfig{}}
	p := newPod(rec, m.dirs.pod(id), m.log)
	ctx, cancel := context.WithTimeout(m.ctx, releaseTimeout)
	defer cancel()
	if err := m.releasePod(ctx, p); err != nil {
		m.log.Error("left-over not removed", "pod", id, "err", fmt.Errorf("release: %w", err))
	}
}
