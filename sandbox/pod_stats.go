// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"strings"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/network"
	"crisp/oci/cgroup"
	"crisp/sandbox/measure"
)

// PodStats measures one pod.
func (m *Manager) PodStats(id string) (*runtime.PodSandboxStats, error) {
	p, err := m.index.pod(id)
	if err != nil {
		return nil, err
	}
	return m.measurePod(p)
}

// ListPodStats measures all ready pods that match f (nil: all). One that ends meanwhile is left out.
func (m *Manager) ListPodStats(f *runtime.PodSandboxStatsFilter) []*runtime.PodSandboxStats {
	var out []*runtime.PodSandboxStats
	for _, p := range m.index.allPods() {
		if !p.ready() || !strings.HasPrefix(p.rec.ID, f.GetId()) || !matchLabels(f.GetLabelSelector(), p.rec.Config.GetLabels()) {
			continue
		}
		if s, err := m.measurePod(p); err == nil {
			out = append(out, s)
		}
	}
	return out
}

// measurePod reads the pod's cgroup, which is the kubelet's, when the pod has one of its own; else it adds up.
func (m *Manager) measurePod(p *pod) (*runtime.PodSandboxStats, error) {
	item := p.view.Load().item
	linux := &runtime.LinuxPodSandboxStats{}
	out := &runtime.PodSandboxStats{
		Attributes: &runtime.PodSandboxAttributes{Id: item.Id, Metadata: item.Metadata, Labels: item.Labels, Annotations: item.Annotations},
		Linux:      linux,
	}
	var running []*container
	for _, c := range m.index.containersOf(p.rec.ID) {
		if c.state() == runtime.ContainerState_CONTAINER_RUNNING {
			running = append(running, c)
		}
	}
	linux.Containers = m.measureAll(running)
	if !p.ready() {
		return out, nil
	}
	s, err := m.podCgroupStats(p)
	if err != nil {
		return nil, fmt.Errorf("stats of pod %s: %w", p.rec.ID, err)
	}
	linux.Cpu, linux.Memory = measure.CPU(&s, m.rates.Of(p.rec.ID, s)), measure.Memory(&s)
	linux.Process = &runtime.ProcessUsage{Timestamp: s.Time.UnixNano(), ProcessCount: measure.Value(s.Pids.Current)}
	linux.Io = &runtime.IoUsage{Timestamp: s.Time.UnixNano(), Psi: measure.Pressure(s.IO)}
	linux.Network, err = podNetworkUsage(p)
	return out, err
}

// podCgroupStats reads the cgroup that the kubelet has made for the pod. Pods that name none share one, of which their own
// leaves are added up.
func (m *Manager) podCgroupStats(p *pod) (cgroup.Stats, error) {
	if p.rec.Config.GetLinux().GetCgroupParent() != "" {
		return m.cgroupStats(parentPath(p.rec.Cgroup))
	}
	sum, err := m.cgroupStats(p.rec.Cgroup)
	if err != nil {
		return sum, err
	}
	for _, c := range m.index.containersOf(p.rec.ID) {
		s, err := m.cgroupStats(c.rec.Cgroup)
		if err != nil {
			return sum, err
		}
		sum.CPU.Usage += s.CPU.Usage
		sum.Memory.Usage += s.Memory.Usage
		sum.Memory.WorkingSet += s.Memory.WorkingSet
		sum.Memory.RSS += s.Memory.RSS
		sum.Memory.PageFaults += s.Memory.PageFaults
		sum.Memory.MajorPageFaults += s.Memory.MajorPageFaults
		sum.Pids.Current += s.Pids.Current
	}
	return sum, nil
}

// cgroupStats are zero for a cgroup that is not there.
func (m *Manager) cgroupStats(path string) (cgroup.Stats, error) {
	cg, err := m.openCgroup(path)
	if cg == nil || err != nil {
		return cgroup.Stats{Time: time.Now()}, err
	}
	return cg.Stats()
}

// podNetworkUsage is nil for a pod in the node's network namespace, whose traffic is not its own.
func podNetworkUsage(p *pod) (*runtime.NetworkUsage, error) {
	if p.hostNetwork() {
		return nil, nil
	}
	all, err := network.Stats(p.status().NetNS)
	if err != nil {
		return nil, fmt.Errorf("network stats of pod %s: %w", p.rec.ID, err)
	}
	out := &runtime.NetworkUsage{Timestamp: time.Now().UnixNano()}
	for _, i := range all {
		u := &runtime.NetworkInterfaceUsage{Name: i.Name, RxBytes: measure.Value(i.RxBytes), RxErrors: measure.Value(i.RxErrors), TxBytes: measure.Value(i.TxBytes), TxErrors: measure.Value(i.TxErrors)}
		if out.DefaultInterface == nil && i.Name == defaultInterface {
			out.DefaultInterface = u
			continue
		}
		out.Interfaces = append(out.Interfaces, u)
	}
	return out, nil
}

// defaultInterface is the name that the kubelet and its metrics expect.
const defaultInterface = "eth0"
