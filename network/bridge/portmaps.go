// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"crisp/network/attachment"
)

// portMap is one of the table's maps from a port of the node to a port of a pod.
type portMap struct {
	set *nftables.Set
	// six: for IPv6; address: the key begins with the node's address.
	six, address bool
}

// portMaps are the four maps. One set object belongs to one batch (it carries the batch's ID of the set).
type portMaps struct {
	ip4, any4, ip6, any6 portMap
}

// newPortMaps numbers the sets itself: the library's counter is shared by all connections and not locked.
func newPortMaps(table *nftables.Table) portMaps {
	proto, service := nftables.TypeInetProto, nftables.TypeInetService
	addr4, addr6 := nftables.TypeIPAddr, nftables.TypeIP6Addr
	set := func(id uint32, name string, to nftables.SetDatatype, key ...nftables.SetDatatype) *nftables.Set {
		return &nftables.Set{
			Table: table, ID: id, Name: name, IsMap: true, Concatenation: true,
			KeyType:  nftables.MustConcatSetType(key...),
			DataType: nftables.MustConcatSetType(to, service),
		}
	}
	return portMaps{
		ip4:  portMap{set: set(1, "ip4", addr4, addr4, proto, service), address: true},
		any4: portMap{set: set(2, "any4", addr4, proto, service)},
		ip6:  portMap{set: set(3, "ip6", addr6, addr6, proto, service), six: true, address: true},
		any6: portMap{set: set(4, "any6", addr6, proto, service), six: true},
	}
}

func (m portMaps) all() []portMap { return []portMap{m.ip4, m.any4, m.ip6, m.any6} }

// mapElement is an element and the map that it belongs to.
type mapElement struct {
	in portMap
	el nftables.SetElement
}

// elements are those of a pod's host ports. A port of every address has one in IPv4, and one in IPv6 if the pod has IPv6.
func (m portMaps) elements(r record) []mapElement {
	var all []mapElement
	for _, p := range r.Ports {
		for _, k := range p.keys() {
			if e, ok := m.element(r, k, p.ContainerPort); ok {
				all = append(all, e)
			}
		}
	}
	return all
}

func (m portMaps) element(r record, k portKey, to uint16) (mapElement, bool) {
	in, pod := m.ip4, r.IPv4
	if k.ip.Is6() {
		in, pod = m.ip6, r.IPv6
	}
	if !pod.IsValid() {
		return mapElement{}, false
	}
	var key []byte
	switch {
	case !k.ip.IsUnspecified():
		key = k.ip.AsSlice()
	case k.ip.Is4():
		in = m.any4
	default:
		in = m.any6
	}
	key = append(key, protocolNumber(k.protocol), 0, 0, 0)
	return mapElement{in: in, el: nftables.SetElement{
		Key:     appendPort(key, k.port),
		Val:     appendPort(pod.AsSlice(), to),
		Comment: comment(r),
	}}, true
}

// appendPort adds a port, padded to a register.
func appendPort(b []byte, port uint16) []byte {
	return append(binary.BigEndian.AppendUint16(b, port), 0, 0)
}

// comment names the pod to those who list the table. 128 bytes are the most that nft shows.
func comment(r record) string {
	c := r.ID[:min(12, len(r.ID))]
	if r.Pod != "" {
		c += " " + r.Pod
	}
	return c[:min(len(c), 127)]
}

func protocolNumber(p attachment.Protocol) byte {
	switch p {
	case attachment.UDP:
		return unix.IPPROTO_UDP
	case attachment.SCTP:
		return unix.IPPROTO_SCTP
	default:
		return unix.IPPROTO_TCP
	}
}

// reachable says whether each of the ports has an address of the pod to lead to.
func reachable(ports []portRecord, pod6 netip.Addr) (portKey, bool) {
	for _, p := range ports {
		if p.HostIP.Is6() && !pod6.IsValid() {
			return p.keys()[0], false
		}
	}
	return portKey{}, true
}
