// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// flows is conntrack's table. Its socket is opened when it is wanted first and stays open, for the reason that nat's does.
type flows struct {
	mu     sync.Mutex
	handle *netlink.Handle
}

// forget removes the entries of UDP flows to the ports.
func (f *flows) forget(ports udpPorts) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.handle == nil {
		h, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		if err := h.SetSocketTimeout(netlinkTimeout); err != nil {
			h.Close()
			return err
		}
		f.handle = h
	}
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		if _, err := f.handle.ConntrackDeleteFilters(netlink.ConntrackTable, family, ports); err != nil {
			return err
		}
	}
	return nil
}

func (f *flows) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.handle != nil {
		f.handle.Close()
		f.handle = nil
	}
}

// udpPorts matches flows to any of some UDP ports.
type udpPorts map[uint16]bool

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (ports udpPorts) MatchConntrackFlow(f *netlink.ConntrackFlow) bool {
	return f.Forward.Protocol == unix.IPPROTO_UDP && ports[f.Forward.DstPort]
}
