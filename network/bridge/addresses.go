// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// subnets numbers the pods: the n-th pod has the n-th address of both subnets. Number 0 is the subnet itself, 1 the bridge, and
// the last one IPv4's broadcast address.
//
//	IPv4 10.91.0.0/29          n    0     1      2 … 6     7
//	IPv6 fd63:7269:7370::/64        net   bridge pods      broadcast
type subnets struct {
	v4, v6 netip.Prefix
}

const (
	gatewayNumber = 1
	firstPod      = 2
)

// lastPod is the highest number that a pod can have.
func (s subnets) lastPod() uint32 { return 1<<(32-s.v4.Bits()) - 2 }

func (s subnets) ipv4(n uint32) netip.Addr {
	base := s.v4.Addr().As4()
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(base[:])+n)))
}

func (s subnets) ipv6(n uint32) netip.Addr {
	base := s.v6.Addr().As16()
	low := binary.BigEndian.Uint32(base[12:])
	binary.BigEndian.PutUint32(base[12:], low+n) // no carry: the host part is 0 and has at least as many bits as n
	return netip.AddrFrom16(base)
}

// number is the inverse of ipv4; false for an address that no pod of the subnet can have.
func (s subnets) number(a netip.Addr) (uint32, bool) {
	if !a.Is4() || !s.v4.Contains(a) {
		return 0, false
	}
	host, base := a.As4(), s.v4.Addr().As4()
	n := binary.BigEndian.Uint32(host[:]) - binary.BigEndian.Uint32(base[:])
	return n, n >= firstPod && n <= s.lastPod()
}

// hardwareAddr derives a MAC from an IPv4 address, 0a:58 and the four bytes, as CNI plugins do. Whoever has the pair in a
// neighbour cache is right again when the address is given to the next pod.
func hardwareAddr(a netip.Addr) net.HardwareAddr {
	b := a.As4()
	return append(net.HardwareAddr{0x0a, 0x58}, b[:]...)
}

// pool gives numbers out, each in its turn, so that one that was freed comes back as late as possible.
type pool struct {
	last uint32
	next uint32
	held map[uint32]bool
}

func newPool(last uint32) *pool {
	return &pool{last: last, next: firstPod, held: map[uint32]bool{}}
}

// take finds a number that is not held; false when there is none.
func (p *pool) take() (uint32, bool) {
	for range p.last - firstPod + 1 {
		n := p.next
		if p.next++; p.next > p.last {
			p.next = firstPod
		}
		if !p.held[n] {
			p.held[n] = true
			return n, true
		}
	}
	return 0, false
}

func (p *pool) hold(n uint32) { p.held[n] = true }
func (p *pool) free(n uint32) { delete(p.held, n) }
