// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"crisp/network/netns"
)

// netlinkTimeout bounds each exchange with the kernel. It answers in microseconds, unless somebody holds its lock.
const netlinkTimeout = 30 * time.Second

// openHandle opens a route netlink socket in the namespace of the calling thread.
func openHandle() (*netlink.Handle, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	if err := h.SetSocketTimeout(netlinkTimeout); err != nil {
		h.Close()
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return h, nil
}

// hostLinkPrefix and 11 digits of the pod's ID make the name of the host's end of its veth.
const (
	hostLinkPrefix = "cr"
	hostLinkDigits = 11
)

func hostLinkName(id string) string { return hostLinkPrefix + id[:hostLinkDigits] }

// isHostLinkName says whether a name has the form of hostLinkName.
func isHostLinkName(name string) bool {
	return len(name) == len(hostLinkPrefix)+hostLinkDigits &&
		name[:len(hostLinkPrefix)] == hostLinkPrefix && netns.CheckID(name[len(hostLinkPrefix):]) == nil
}

// isGone says whether an error means that the interface does not exist.
func isGone(err error) bool {
	var notFound netlink.LinkNotFoundError
	return errors.As(err, &notFound) || errors.Is(err, unix.ENODEV)
}

// findOrMakeBridge gives the bridge, up.
func findOrMakeBridge(h *netlink.Handle, name string, mtu int) (netlink.Link, error) {
	link, err := h.LinkByName(name)
	if isGone(err) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU, attrs.Flags = name, mtu, net.FlagUp
		// With an address of its own the bridge does not take that of its lowest port, which comes and goes with the pods.
		attrs.HardwareAddr = bridgeHardwareAddr(name)
		err = h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs})
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, fmt.Errorf("make bridge %s: %w", name, err)
		}
		link, err = h.LinkByName(name)
	}
	if err != nil {
		return nil, fmt.Errorf("find bridge %s: %w", name, err)
	}
	if link.Type() != "bridge" {
		return nil, fmt.Errorf("interface %s: %w: it is a %s", name, ErrNotABridge, link.Type())
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		if err := h.LinkSetUp(link); err != nil {
			return nil, fmt.Errorf("bring bridge %s up: %w", name, err)
		}
	}
	return link, nil
}

// bridgeHardwareAddr is a locally administered address that is the same each time.
func bridgeHardwareAddr(name string) net.HardwareAddr {
	sum := sha256.Sum256([]byte("crisp bridge " + name))
	return append(net.HardwareAddr{0x02}, sum[:5]...)
}

// setAddress gives an interface an address. IPv6 ones are used at once, without a second of looking for a
// duplicate (DAD): the records know that there is none.
func setAddress(h *netlink.Handle, link netlink.Link, a netip.Prefix) error {
	addr := &netlink.Addr{IPNet: ipNet(a)}
	if a.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := h.AddrReplace(link, addr); err != nil {
		return fmt.Errorf("add address %s to %s: %w", a, link.Attrs().Name, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// prefixOf is the inverse of ipNet; the zero Prefix for none.
func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}
	}
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(addr.Unmap(), ones)
}

// mainRoutes gives the routes of the main table, both families.
func mainRoutes(h *netlink.Handle) ([]netlink.Route, error) {
	routes, err := h.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	return routes, nil
}

// checkFree refuses subnets that another interface is connected to. A route through a gateway is no reason: ours is more special.
func checkFree(h *netlink.Handle, routes []netlink.Route, bridge string, nets ...netip.Prefix) error {
	for _, r := range routes {
		dst := prefixOf(r.Dst)
		if !dst.IsValid() || dst.Bits() == 0 || r.Gw != nil || r.LinkIndex == 0 {
			continue
		}
		for _, n := range nets {
			if !n.IsValid() || !n.Overlaps(dst) {
				continue
			}
			link, err := h.LinkByIndex(r.LinkIndex)
			if err != nil || link.Attrs().Name == bridge {
				continue
			}
			return fmt.Errorf("subnet %s of bridge %s: %w: %s has %s; configure another subnet", n, bridge, ErrSubnetInUse, link.Attrs().Name, dst)
		}
	}
	return nil
}

// uplinkMTU is the MTU of the interface with the default route, 1500 without one.
func uplinkMTU(h *netlink.Handle, routes []netlink.Route) int {
	const ethernet = 1500
	for _, r := range routes {
		if r.Dst != nil && prefixOf(r.Dst).Bits() != 0 || r.LinkIndex == 0 {
			continue
		}
		link, err := h.LinkByIndex(r.LinkIndex)
		if err == nil && link.Attrs().MTU >= 1280 {
			return link.Attrs().MTU
		}
	}
	return ethernet
}
