// SPDX-License-Identifier: Apache-2.0

package attachment

import "net/netip"

// IfName is the name of a pod's interface. The kubelet, metrics and most plugins expect this one.
const IfName = "eth0"

// Pod is what the network needs to know of a pod. ID and NetNS decide; the rest is passed on to CNI plugins.
type Pod struct {
	// ID is the sandbox's identity, 64 hex digits. It names everything that is made for the pod.
	ID string
	// Name, Namespace and UID are the Kubernetes identity; CNI plugins get them as K8S_POD_* arguments.
	Name, Namespace, UID string
	// NetNS is the path of the pod's network namespace. It may be gone when the pod is detached.
	NetNS string
	// PortMappings are the node's ports that lead into the pod. Those with HostPort 0 are ignored.
	PortMappings []PortMapping
	// IngressBandwidth and EgressBandwidth are limits in bits a second, 0 for none. CNI only (bandwidth capability).
	IngressBandwidth, EgressBandwidth uint64
	// IPs are the wanted addresses, empty for any. CNI only (ips capability).
	IPs []netip.Addr
	// CgroupParent is passed to CNI plugins that have the cgroupPath capability.
	CgroupParent string
	// Annotations are passed to CNI plugins that have the io.kubernetes.cri.pod-annotations capability.
	Annotations map[string]string
	// DNS is passed to CNI plugins that have the dns capability; resolv.conf is not the network's business.
	DNS DNS
}

// DNS is the pod's resolver configuration as the kubelet gave it.
type DNS struct {
	Servers, Searches, Options []string
}

// Protocol is a transport protocol in the lower-case form that CNI uses.
type Protocol string

// The protocols that a port mapping can have.
const (
	TCP  Protocol = "tcp"
	UDP  Protocol = "udp"
	SCTP Protocol = "sctp"
)

// PortMapping leads a port of the node into the pod.
type PortMapping struct {
	// Protocol is "tcp", "udp" or "sctp"; "" means "tcp".
	Protocol Protocol
	// ContainerPort is the port inside the pod.
	ContainerPort uint16
	// HostPort is the port of the node; 0 means that nothing is mapped.
	HostPort uint16
	// HostIP is the node's address that is mapped. The zero Addr and the unspecified addresses mean each one
	// (of both families, or of the one).
	HostIP netip.Addr
}
