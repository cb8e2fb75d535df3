// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"fmt"
	"math"
	"strings"

	"crisp/network/attachment"
)

// arguments are the CNI_ARGS of a pod, the same that CRI-O and containerd give.
func arguments(p attachment.Pod) ([][2]string, error) {
	args := [][2]string{
		{"IgnoreUnknown", "1"},
		{"K8S_POD_NAMESPACE", p.Namespace},
		{"K8S_POD_NAME", p.Name},
		{"K8S_POD_INFRA_CONTAINER_ID", p.ID},
		{"K8S_POD_UID", p.UID},
	}
	for _, a := range args {
		// They go into one string, KEY=VALUE;KEY=VALUE.
		if strings.ContainsAny(a[1], ";=\x00\n") {
			return nil, fmt.Errorf("%s %q: %w", a[0], a[1], ErrInvalidArgument)
		}
	}
	return args, nil
}

// noBurst is what the kubelet's own CNI code gave as burst: "in practice, limiting to 2 Gbit is the equivalent of setting no limit".
const noBurst = math.MaxInt32

// capabilities are the runtimeConfig of a pod, by the conventions that the specification lists in CONVENTIONS.md. libcni hands each to the
// plugins that declare it.
func capabilities(p attachment.Pod) map[string]any {
	caps := map[string]any{}
	if ports := portMappings(p.PortMappings); len(ports) > 0 {
		caps["portMappings"] = ports
	}
	if p.IngressBandwidth > 0 || p.EgressBandwidth > 0 {
		caps["bandwidth"] = bandwidth(p)
	}
	if len(p.IPs) > 0 {
		ips := make([]string, len(p.IPs))
		for i, ip := range p.IPs {
			ips[i] = ip.String()
		}
		caps["ips"] = ips
	}
	if d := p.DNS; len(d.Servers)+len(d.Searches)+len(d.Options) > 0 {
		caps["dns"] = map[string][]string{"servers": d.Servers, "searches": d.Searches, "options": d.Options}
	}
	if p.CgroupParent != "" {
		caps["cgroupPath"] = p.CgroupParent
	}
	if len(p.Annotations) > 0 {
		caps["io.kubernetes.cri.pod-annotations"] = p.Annotations
	}
	return caps
}

func portMappings(mappings []attachment.PortMapping) []map[string]any {
	var out []map[string]any
	for _, m := range mappings {
		if m.HostPort == 0 {
			continue
		}
		protocol := m.Protocol
		if protocol == "" {
			protocol = attachment.TCP
		}
		one := map[string]any{"hostPort": m.HostPort, "containerPort": m.ContainerPort, "protocol": protocol}
		if m.HostIP.IsValid() {
			one["hostIP"] = m.HostIP.String()
		}
		out = append(out, one)
	}
	return out
}

func bandwidth(p attachment.Pod) map[string]uint64 {
	out := map[string]uint64{}
	if p.IngressBandwidth > 0 {
		out["ingressRate"], out["ingressBurst"] = p.IngressBandwidth, noBurst
	}
	if p.EgressBandwidth > 0 {
		out["egressRate"], out["egressBurst"] = p.EgressBandwidth, noBurst
	}
	return out
}
