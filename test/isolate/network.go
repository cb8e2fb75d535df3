// SPDX-License-Identifier: Apache-2.0

package isolate

import (
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
)

// Node addresses of the lane's network namespace, from the blocks for documentation (RFC 5737, RFC 3849).
const (
	NodeIPv4 = "192.0.2.1"
	NodeIPv6 = "2001:db8::1"
)

// setUpNetwork makes the new namespace look like a node's: loopback, one interface with addresses and the default route.
// Nothing answers behind that interface.
func setUpNetwork() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("lo up: %w", err)
	}
	// A veth pair, not a dummy: every kernel that runs pods has it.
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "uplink"}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("add eth0: %w", err)
	}
	uplink, err := netlink.LinkByName("uplink")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(uplink); err != nil {
		return fmt.Errorf("uplink up: %w", err)
	}
	eth, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	// No duplicate address detection: the IPv6 address is to be usable at once.
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/eth0/accept_dad", []byte("0"), 0); err != nil && !os.IsNotExist(err) {
		return err
	}
	for _, cidr := range []string{NodeIPv4 + "/24", NodeIPv6 + "/64"} {
		addr, err := netlink.ParseAddr(cidr)
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(eth, addr); err != nil {
			return fmt.Errorf("add %s to eth0: %w", cidr, err)
		}
	}
	if err := netlink.LinkSetUp(eth); err != nil {
		return fmt.Errorf("eth0 up: %w", err)
	}
	gateway := &netlink.Route{LinkIndex: eth.Attrs().Index, Gw: net.ParseIP("192.0.2.254")}
	if err := netlink.RouteAdd(gateway); err != nil {
		return fmt.Errorf("default route: %w", err)
	}
	return nil
}
