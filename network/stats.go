// SPDX-License-Identifier: Apache-2.0

package network

import (
	"fmt"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"crisp/network/netns"
)

// InterfaceStats are the counters of one interface, as seen from inside the namespace.
type InterfaceStats struct {
	Name                                    string
	RxBytes, RxPackets, RxErrors, RxDropped uint64
	TxBytes, TxPackets, TxErrors, TxDropped uint64
}

// statsTimeout bounds the exchange with the kernel.
const statsTimeout = 5 * time.Second

// Stats reads the counters of each interface of a namespace but lo. nsPath "" is the node's namespace.
func Stats(nsPath string) ([]InterfaceStats, error) {
	h, err := handleIn(nsPath)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	if err := h.SetSocketTimeout(statsTimeout); err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	links, err := h.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var all []InterfaceStats
	for _, l := range links {
		s := l.Attrs().Statistics
		if s == nil || l.Attrs().Flags&net.FlagLoopback != 0 {
			continue
		}
		all = append(all, InterfaceStats{
			Name:    l.Attrs().Name,
			RxBytes: s.RxBytes, RxPackets: s.RxPackets, RxErrors: s.RxErrors, RxDropped: s.RxDropped,
			TxBytes: s.TxBytes, TxPackets: s.TxPackets, TxErrors: s.TxErrors, TxDropped: s.TxDropped,
		})
	}
	return all, nil
}

// handleIn opens a netlink socket in the namespace; it can be used from anywhere.
func handleIn(nsPath string) (h *netlink.Handle, err error) {
	open := func() error {
		h, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("open netlink: %w", err)
		}
		return nil
	}
	if nsPath == "" {
		err = open()
		return h, err
	}
	ns, err := netns.Open(nsPath)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	err = netns.Enter(ns, open)
	return h, err
}
