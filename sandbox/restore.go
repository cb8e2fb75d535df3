// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"crisp/sandbox/record"
)

const (
	// restoreParallel bounds how many pods are read, and how many monitors are asked, at a time.
	restoreParallel = 16
	// restoreWait is how long New waits for the monitors; those that take longer are waited for in the background.
	restoreWait = 3 * time.Second
	// collectTimeout bounds the network's garbage collection, which New waits for.
	collectTimeout = 10 * time.Second
	// releaseParallel bounds how many pods of an earlier boot are released at a time: each may run CNI plugins.
	releaseParallel = 4
)

// restore is what happens after the daemon was killed, updated, or the node rebooted.
//
// First the records are read, which takes no process's answer: from then on reads are served. Then each pod that may live is
// asked about by its monitor, side by side; one that doesn't answer holds up no other. What the records do not own is removed at the end.
func (m *Manager) restore(ctx context.Context) error {
	found, err := m.readRecords()
	if err != nil {
		return err
	}
	var releasing sync.WaitGroup
	for _, f := range found.pods {
		m.adoptPod(f, &releasing)
	}
	m.cfg.Images.Collect()
	m.collectNetwork(ctx, found)
	m.reconnectAll(ctx, found, &releasing)
	m.spawn(func() { m.sweep(found) })
	return nil
}

// foundPod is what the disk has of a pod.
type foundPod struct {
	pod        *pod
	fate       fate
	containers []*foundContainer
}

type foundContainer struct {
	c    *container
	fate fate
}

// found is all of it.
type found struct {
	pods []*foundPod
	// broken are the IDs whose records cannot be read: they are left alone, with all that has their name.
	broken []string
}

// readRecords reads all pods. A record that cannot be read concerns its own object only.
func (m *Manager) readRecords() (*found, error) {
	entries, err := os.ReadDir(m.dirs.pods())
	if err != nil {
		return nil, fmt.Errorf("read pods: %w", err)
	}
	pods, broken := make([]*foundPod, len(entries)), make([]string, len(entries))
	var g errgroup.Group
	g.SetLimit(restoreParallel)
	for i, e := range entries {
		if !validID(e.Name()) {
			m.log.Warn("not a pod's directory, left alone", "path", m.dirs.pod(e.Name()))
			continue
		}
		g.Go(func() error {
			var err error
			if pods[i], err = m.readPod(e.Name()); err != nil {
				m.log.Error("pod not restored, it is left as it is", "pod", e.Name(), "err", err)
				broken[i] = e.Name()
			}
			return nil
		})
	}
	g.Wait()
	out := &found{}
	for i := range entries {
		if pods[i] != nil {
			out.pods = append(out.pods, pods[i])
		}
		if broken[i] != "" {
			out.broken = append(out.broken, broken[i])
		}
	}
	return out, nil
}

// readPod reads a pod and its containers. It returns nil for a directory without a record, which it removes: the power was cut
// before the record was on disk, so nobody was told of the pod and nothing of it is left in the kernel.
func (m *Manager) readPod(id string) (*foundPod, error) {
	dir := m.dirs.pod(id)
	data, err := record.Read(dir, record.RecordFile)
	if errors.Is(err, record.ErrEmpty) {
		return nil, os.RemoveAll(dir)
	}
	if err != nil {
		return nil, err
	}
	rec, err := record.DecodePod(data)
	if err != nil {
		return nil, err
	}
	if rec.ID != id {
		return nil, fmt.Errorf("%w: it is of pod %s", record.ErrCorrupt, rec.ID)
	}
	p := newPod(rec, dir, m.log)
	status, err := readStatus(dir, record.DecodePodStatus)
	if err != nil {
		return nil, err
	}
	if status != nil {
		p.view.Store(p.look(*status))
	}
	f := &foundPod{pod: p, fate: podFate(rec, p.status(), m.bootID)}
	f.containers, err = m.readContainers(p)
	return f, err
}

// readStatus returns nil when there is none to believe: it isn't synced, so a power cut may leave anything of it.
func readStatus[T any](dir string, decode func([]byte) (*T, error)) (*T, error) {
	data, err := record.Read(dir, record.StatusFile)
	if err == nil {
		var s *T
		if s, err = decode(data); err == nil {
			return s, nil
		}
	}
	if errors.Is(err, record.ErrEmpty) || errors.Is(err, record.ErrCorrupt) {
		return nil, nil
	}
	return nil, err
}

// readContainers reads a pod's containers. One that cannot be read is logged and left alone.
func (m *Manager) readContainers(p *pod) ([]*foundContainer, error) {
	entries, err := os.ReadDir(m.dirs.containers(p.rec.ID))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []*foundContainer
	for _, e := range entries {
		if !validID(e.Name()) {
			continue
		}
		f, err := m.readContainer(p, e.Name())
		if err != nil {
			p.log.Error("container not restored, it is left as it is", "container", e.Name(), "err", err)
		}
		if f != nil {
			out = append(out, f)
		}
	}
	return out, nil
}

func (m *Manager) readContainer(p *pod, id string) (*foundContainer, error) {
	dir := m.dirs.container(p.rec.ID, id)
	data, err := record.Read(dir, record.RecordFile)
	if errors.Is(err, record.ErrEmpty) {
		return nil, os.RemoveAll(dir)
	}
	if err != nil {
		return nil, err
	}
	rec, err := record.DecodeContainer(data)
	if err != nil {
		return nil, err
	}
	if rec.ID != id || rec.PodID != p.rec.ID {
		return nil, fmt.Errorf("%w: it is of container %s in pod %s", record.ErrCorrupt, rec.ID, rec.PodID)
	}
	c := newContainer(rec, p, dir)
	status, err := readStatus(dir, record.DecodeContainerStatus)
	if err != nil {
		return nil, err
	}
	if status != nil {
		c.restoreStatus(*status)
	}
	return &foundContainer{c, containerFate(rec, c.status(), m.bootID)}, nil
}

// restoreStatus takes in what the status file says, without writing it again.
func (c *container) restoreStatus(s record.ContainerStatus) {
	c.view.Store(c.look(s))
	if s.Exit != nil {
		close(c.exit)
	}
}

// adoptPod puts a pod and its containers into the index, as they were last known, and keeps their images. What was never
// complete, or was being removed, is released instead.
func (m *Manager) adoptPod(f *foundPod, releasing *sync.WaitGroup) {
	if f.fate == fateRelease {
		releasing.Add(1)
		m.spawn(func() { defer releasing.Done(); m.abandonFound(f) })
		return
	}
	m.index.addPod(f.pod)
	for _, fc := range f.containers {
		m.holdImages(fc.c)
		if fc.fate == fateRelease {
			releasing.Add(1)
			m.spawn(func() { defer releasing.Done(); m.abandonContainer(fc.c) })
			continue
		}
		m.index.addContainer(fc.c)
	}
	if f.fate == fateRebooted {
		f.pod.ended("the node was rebooted")
		for _, fc := range f.containers {
			if fc.fate == fateRebooted {
				fc.c.exited(lastExit(fc.c.dir, "the node was rebooted"))
			}
		}
	}
}

// abandonFound releases a pod whose creation or removal a crash broke off, with its containers.
func (m *Manager) abandonFound(f *foundPod) {
	for _, fc := range f.containers {
		m.abandonContainer(fc.c)
	}
	m.abandonPod(f.pod)
}

// holdImages keeps the images of a container and its image volumes as its creation did.
func (m *Manager) holdImages(c *container) {
	images := []string{c.rec.ImageID}
	for _, mt := range c.rec.Config.GetMounts() {
		if id := mt.GetImage().GetImage(); id != "" {
			images = append(images, id)
		}
	}
	for _, id := range images {
		if err := m.cfg.Images.Hold(id, c.rec.ID); err != nil {
			c.log.Warn("image of the container not held", "image", id, "err", err)
		}
	}
}
