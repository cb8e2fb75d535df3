// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/sandbox/measure"
)

// statsParallel bounds how many cgroups are read at a time.
const statsParallel = 4

// ContainerStats measures one container.
func (m *Manager) ContainerStats(id string) (*runtime.ContainerStats, error) {
	c, err := m.index.container(id)
	if err != nil {
		return nil, err
	}
	return m.measure(c)
}

// ListContainerStats measures all running containers that match f (nil: all). One that ends meanwhile is left out.
func (m *Manager) ListContainerStats(f *runtime.ContainerStatsFilter) []*runtime.ContainerStats {
	var running []*container
	for _, c := range m.index.allContainers() {
		item := c.view.Load().item
		if item.State == runtime.ContainerState_CONTAINER_RUNNING && strings.HasPrefix(item.Id, f.GetId()) &&
			strings.HasPrefix(item.PodSandboxId, f.GetPodSandboxId()) && matchLabels(f.GetLabelSelector(), item.Labels) {
			running = append(running, c)
		}
	}
	return m.measureAll(running)
}

func (m *Manager) measureAll(cs []*container) []*runtime.ContainerStats {
	all := make([]*runtime.ContainerStats, len(cs))
	var g errgroup.Group
	g.SetLimit(statsParallel)
	for i, c := range cs {
		g.Go(func() error {
			all[i], _ = m.measure(c)
			return nil
		})
	}
	g.Wait()
	out := all[:0]
	for _, s := range all {
		if s != nil {
			out = append(out, s)
		}
	}
	return out
}

// measure reads the container's cgroup. A container that does not run has only its writable layer.
func (m *Manager) measure(c *container) (*runtime.ContainerStats, error) {
	item := c.view.Load().item
	out := &runtime.ContainerStats{
		Attributes:    &runtime.ContainerAttributes{Id: item.Id, Metadata: item.Metadata, Labels: item.Labels, Annotations: item.Annotations},
		WritableLayer: m.disk.Of(c.rec.ID, c.upper()),
	}
	oc := c.live.Load()
	if item.State != runtime.ContainerState_CONTAINER_RUNNING || oc == nil {
		return out, nil
	}
	s, err := oc.Stats()
	if err != nil {
		return nil, fmt.Errorf("stats of container %s: %w", c.rec.ID, err)
	}
	at := s.Time.UnixNano()
	out.Cpu, out.Memory = measure.CPU(&s, m.rates.Of(c.rec.ID, s)), measure.Memory(&s)
	out.Swap, out.Io = measure.Swap(&s), &runtime.IoUsage{Timestamp: at, Psi: measure.Pressure(s.IO)}
	return out, nil
}
