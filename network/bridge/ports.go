// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"net/netip"

	"crisp/network/attachment"
)

// portKey is a port of the node at one address; the unspecified addresses stand for every one of their family.
type portKey struct {
	protocol attachment.Protocol
	ip       netip.Addr
	port     uint16
}

func (k portKey) String() string {
	return fmt.Sprintf("%s %s", k.protocol, netip.AddrPortFrom(k.ip, k.port))
}

// hostPorts picks the mappings that have a host port, in the form of records.
func hostPorts(mappings []attachment.PortMapping) ([]portRecord, error) {
	var ports []portRecord
	for _, m := range mappings {
		if m.HostPort == 0 {
			continue
		}
		p := portRecord{Protocol: m.Protocol, HostIP: m.HostIP.Unmap(), HostPort: m.HostPort, ContainerPort: m.ContainerPort}
		if p.Protocol == "" {
			p.Protocol = attachment.TCP
		}
		if err := p.check(); err != nil {
			return nil, err
		}
		ports = append(ports, p)
	}
	return ports, distinct(ports)
}

// distinct refuses one port of the node that leads to two ports of the pod.
func distinct(ports []portRecord) error {
	seen := map[portKey]uint16{}
	for _, p := range ports {
		for _, k := range p.keys() {
			if to, ok := seen[k]; ok && to != p.ContainerPort {
				return fmt.Errorf("host port %s: %w: to container ports %d and %d", k, ErrInvalidPort, to, p.ContainerPort)
			}
			seen[k] = p.ContainerPort
		}
	}
	return nil
}

func (p portRecord) check() error {
	switch p.Protocol {
	case attachment.TCP, attachment.UDP, attachment.SCTP:
	default:
		return fmt.Errorf("host port %d: %w: protocol %q", p.HostPort, ErrInvalidPort, p.Protocol)
	}
	if p.HostPort == 0 || p.ContainerPort == 0 {
		return fmt.Errorf("host port %d to container port %d: %w", p.HostPort, p.ContainerPort, ErrInvalidPort)
	}
	if p.HostIP == netip.IPv6Loopback() {
		return fmt.Errorf("host port %d: %w: the kernel leads ::1 nowhere else", p.HostPort, ErrInvalidPort)
	}
	if p.HostIP.Zone() != "" {
		return fmt.Errorf("host port %d: %w: address %s has a zone", p.HostPort, ErrInvalidPort, p.HostIP)
	}
	return nil
}

// keys are the ports of the node that are taken: without an address, that of both families.
func (p portRecord) keys() []portKey {
	k := portKey{protocol: p.Protocol, ip: p.HostIP, port: p.HostPort}
	if k.ip.IsValid() {
		return []portKey{k}
	}
	k6 := k
	k.ip, k6.ip = netip.IPv4Unspecified(), netip.IPv6Unspecified()
	return []portKey{k, k6}
}

// portTable knows which pod holds which port of the node. A port at one address and the same at every address may be held
// by two pods; the one at the one address goes first.
type portTable map[portKey]string

// claim takes the ports for the pod, all or none. Ports that it holds already are fine.
func (t portTable) claim(id string, ports []portRecord) error {
	for _, p := range ports {
		for _, k := range p.keys() {
			if owner, ok := t[k]; ok && owner != id {
				return fmt.Errorf("host port %s: %w: pod %s holds it", k, ErrPortInUse, owner)
			}
		}
	}
	for _, p := range ports {
		for _, k := range p.keys() {
			t[k] = id
		}
	}
	return nil
}

func (t portTable) release(id string, ports []portRecord) {
	for _, p := range ports {
		for _, k := range p.keys() {
			if t[k] == id {
				delete(t, k)
			}
		}
	}
}
