// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/network"
	"crisp/sandbox/spec"
)

// procNS is the path of a process's namespace.
func procNS(pid int, kind string) string { return fmt.Sprintf("/proc/%d/ns/%s", pid, kind) }

// pauseSpec is the config of the pod's pause container. A pod with a user namespace gets it, and the network namespace that it owns, from
// its pause container: only a single-threaded process can join a user namespace later (setns(2)).
func (m *Manager) pauseSpec(p *pod, netns string) (*specs.Spec, error) {
	s, err := spec.Pod(spec.PodInput{
		ID: p.rec.ID, Config: p.rec.Config, Namespaces: spec.Namespaces{Network: netns}, CgroupsPath: p.rec.Cgroup,
		Root: m.dirs.podFile(p.rec.ID, "rootfs"), Host: m.host,
	})
	if err != nil {
		return nil, err
	}
	uids, gids, err := spec.UserNamespace(p.options())
	if err != nil || len(uids) == 0 {
		return s, err
	}
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	s.Linux.UIDMappings, s.Linux.GIDMappings = uids, gids
	return s, nil
}

// networkPod is the pod as the network wants to know it.
func networkPod(p *pod, netns string) network.Pod {
	md, c := p.rec.Config.GetMetadata(), p.rec.Config
	out := network.Pod{
		ID: p.rec.ID, Name: md.GetName(), Namespace: md.GetNamespace(), UID: md.GetUid(), NetNS: netns,
		CgroupParent: c.GetLinux().GetCgroupParent(), Annotations: c.GetAnnotations(), PortMappings: portMappings(c.GetPortMappings()),
		DNS: network.DNS{Servers: c.GetDnsConfig().GetServers(), Searches: c.GetDnsConfig().GetSearches(), Options: c.GetDnsConfig().GetOptions()},
	}
	out.IngressBandwidth = bandwidth(c.GetAnnotations()["kubernetes.io/ingress-bandwidth"])
	out.EgressBandwidth = bandwidth(c.GetAnnotations()["kubernetes.io/egress-bandwidth"])
	return out
}

// portMappings leaves out the container ports that no port of the node leads to, which are most of what the kubelet sends.
func portMappings(in []*runtime.PortMapping) []network.PortMapping {
	var out []network.PortMapping
	for _, pm := range in {
		if pm.GetHostPort() <= 0 || pm.GetHostPort() > 65535 || pm.GetContainerPort() <= 0 || pm.GetContainerPort() > 65535 {
			continue
		}
		proto := network.TCP
		switch pm.GetProtocol() {
		case runtime.Protocol_UDP:
			proto = network.UDP
		case runtime.Protocol_SCTP:
			proto = network.SCTP
		}
		ip, _ := netip.ParseAddr(pm.GetHostIp()) // "" and what is no address: every address
		out = append(out, network.PortMapping{Protocol: proto, ContainerPort: uint16(pm.GetContainerPort()), HostPort: uint16(pm.GetHostPort()), HostIP: ip})
	}
	return out
}

// bandwidth reads a quantity of bits a second with an SI or binary suffix ("10M", "1Gi"), 0 for none or nonsense.
func bandwidth(s string) uint64 {
	units := map[string]float64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
	end := len(s)
	for end > 0 && (s[end-1] < '0' || s[end-1] > '9') {
		end--
	}
	unit, ok := units[s[end:]]
	n, err := strconv.ParseFloat(s[:end], 64)
	if !ok || err != nil || !(n > 0) || n*unit > 1<<62 {
		return 0
	}
	return uint64(n * unit)
}
