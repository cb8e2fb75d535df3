// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"github.com/vishvananda/netlink"
)

func addLink(name string) error {
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: "p" + name}
	if err := netlink.LinkAdd(pair); err != nil {
		return err
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr("198.51.100.7/24")
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, addr); err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// removeLink removes the other end, which stays here, and so both.
func removeLink(name string) {
	for _, n := range []string{"p" + name, name} {
		if link, err := netlink.LinkByName(n); err == nil {
			_ = netlink.LinkDel(link) // gone meanwhile: with its namespace, or its other end
		}
	}
}

func findLink(name string) error {
	_, err := netlink.LinkByName(name)
	return err
}
