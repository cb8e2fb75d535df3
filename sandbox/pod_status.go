// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"encoding/json"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// PodStatus answers for one pod, with its containers' statuses; Info is filled when verbose.
func (m *Manager) PodStatus(id string, verbose bool) (*runtime.PodSandboxStatusResponse, error) {
	p, err := m.index.pod(id)
	if err != nil {
		return nil, err
	}
	r := &runtime.PodSandboxStatusResponse{Timestamp: time.Now().UnixNano(), Status: podStatus(p), ContainersStatuses: m.statusesOf(p)}
	if verbose {
		r.Info = podInfo(p)
	}
	return r, nil
}

func podStatus(p *pod) *runtime.PodSandboxStatus {
	v := p.view.Load()
	return &runtime.PodSandboxStatus{
		Id: v.item.Id, Metadata: v.item.Metadata, State: v.item.State, CreatedAt: v.item.CreatedAt,
		Network: podNetwork(p, v), Linux: &runtime.LinuxPodSandboxStatus{Namespaces: &runtime.Namespace{Options: p.namespaceOptions()}},
		Labels: v.item.Labels, Annotations: v.item.Annotations, RuntimeHandler: v.item.RuntimeHandler,
	}
}

// namespaceOptions are as they were given; the kubelet replaces a pod whose network mode is not the one it wants.
func (p *pod) namespaceOptions() *runtime.NamespaceOption {
	if o := p.options(); o != nil {
		return o
	}
	return &runtime.NamespaceOption{}
}

// podNetwork has the addresses until they are released: what a pod that is stopped had may be another's by now.
func podNetwork(p *pod, v *podView) *runtime.PodSandboxNetworkStatus {
	n := &runtime.PodSandboxNetworkStatus{}
	if p.hostNetwork() || v.status.StoppedAt != 0 {
		return n
	}
	for i, ip := range v.status.IPs {
		if i == 0 {
			n.Ip = ip.String()
			continue
		}
		n.AdditionalIps = append(n.AdditionalIps, &runtime.PodIP{Ip: ip.String()})
	}
	return n
}

// statusesOf are the statuses of a pod's containers.
func (m *Manager) statusesOf(p *pod) []*runtime.ContainerStatus {
	var out []*runtime.ContainerStatus
	for _, c := range m.index.containersOf(p.rec.ID) {
		out = append(out, containerStatus(c))
	}
	return out
}

// podInfo is what tools read from "crictl inspectp": the key "info" with at least "pid".
func podInfo(p *pod) map[string]string {
	s := p.status()
	data, err := json.Marshal(struct {
		Pid        int    `json:"pid"`
		MonitorPid int    `json:"monitorPid"`
		NetNS      string `json:"netNamespace,omitempty"`
		Cgroup     string `json:"cgroup"`
		BootID     string `json:"bootID"`
		Directory  string `json:"directory"`
		EndReason  string `json:"endReason,omitempty"`
		Config     any    `json:"config"`
	}{s.PausePid, s.MonitorPid, s.NetNS, p.rec.Cgroup, s.BootID, p.dir, s.EndReason, p.rec.Config})
	if err != nil {
		return nil
	}
	return map[string]string{"info": string(data)}
}
