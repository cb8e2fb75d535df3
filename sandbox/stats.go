// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/oci/cgroup"
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
		WritableLayer: m.usage.of(c),
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
	out.Cpu, out.Memory = cpuUsage(&s, m.rates.of(c.rec.ID, s)), memoryUsage(&s)
	out.Swap, out.Io = swapUsage(&s), &runtime.IoUsage{Timestamp: at, Psi: psi(s.IO)}
	return out, nil
}

func value(n uint64) *runtime.UInt64Value { return &runtime.UInt64Value{Value: n} }

func cpuUsage(s *cgroup.Stats, nanoCores *runtime.UInt64Value) *runtime.CpuUsage {
	return &runtime.CpuUsage{Timestamp: s.Time.UnixNano(), UsageCoreNanoSeconds: value(s.CPU.Usage), UsageNanoCores: nanoCores, Psi: psi(s.CPU.Pressure)}
}

func memoryUsage(s *cgroup.Stats) *runtime.MemoryUsage {
	u := &runtime.MemoryUsage{
		Timestamp: s.Time.UnixNano(), WorkingSetBytes: value(s.Memory.WorkingSet), UsageBytes: value(s.Memory.Usage), RssBytes: value(s.Memory.RSS),
		PageFaults: value(s.Memory.PageFaults), MajorPageFaults: value(s.Memory.MajorPageFaults), Psi: psi(s.Memory.Pressure),
	}
	if s.Memory.Limit != 0 { // without a limit there is nothing to be left of it
		u.AvailableBytes = value(s.Memory.Limit - min(s.Memory.WorkingSet, s.Memory.Limit))
	}
	return u
}

func swapUsage(s *cgroup.Stats) *runtime.SwapUsage {
	u := &runtime.SwapUsage{Timestamp: s.Time.UnixNano(), SwapUsageBytes: value(s.Swap.Usage)}
	if s.Swap.Limit != cgroup.NoLimit {
		u.SwapAvailableBytes = value(s.Swap.Limit - min(s.Swap.Usage, s.Swap.Limit))
	}
	return u
}

func psi(p cgroup.Pressure) *runtime.PsiStats {
	if !p.Known {
		return nil
	}
	line := func(l cgroup.PressureLine) *runtime.PsiData {
		return &runtime.PsiData{Total: l.Total, Avg10: l.Avg10, Avg60: l.Avg60, Avg300: l.Avg300}
	}
	return &runtime.PsiStats{Full: line(p.Full), Some: line(p.Some)}
}

// minRateWindow is the shortest time over which a rate is taken; questions in between get the last rate.
const minRateWindow = time.Second

// rates turns the kernel's counters of CPU time into a rate, by the reading before. It is nobody's job to sample: who asks
// regularly, as the kubelet does, gets the rate between the questions.
type rates struct {
	mu   sync.Mutex // guards last
	last map[string]rate
}

type rate struct {
	at    time.Time
	usage uint64
	cores *runtime.UInt64Value
}

func newRates() *rates { return &rates{last: map[string]rate{}} }

// of returns nil until there are two readings.
func (r *rates) of(id string, s cgroup.Stats) *runtime.UInt64Value {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, ok := r.last[id]
	window := s.Time.Sub(was.at)
	switch {
	case !ok || s.CPU.Usage < was.usage:
		r.last[id] = rate{at: s.Time, usage: s.CPU.Usage}
		return nil
	case window < minRateWindow:
		return was.cores
	}
	cores := value(uint64(float64(s.CPU.Usage-was.usage) / window.Seconds()))
	r.last[id] = rate{s.Time, s.CPU.Usage, cores}
	return cores
}

func (r *rates) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, id)
}
