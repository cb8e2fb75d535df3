// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"crisp/network/attachment"
	"crisp/network/netns"
)

// neighbour is a namespace beyond the node: a veth of its own, no route to the pods.
func (l *lab) neighbour(here, there string) attachment.Pod {
	l.Helper()
	p := l.pod()
	ns, err := netns.Open(p.NetNS)
	if err != nil {
		l.Fatal(err)
	}
	defer ns.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "uplink"
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns.Fd())}
	if err := netlink.LinkAdd(veth); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { netlink.LinkDel(veth) })
	l.give("uplink", here)
	l.in(p, func() error {
		l.give("eth0", there)
		l.settled("eth0")
		return nil
	})
	l.settled("uplink")
	return p
}

// settled waits until the kernel has noticed what was given.
func (l *lab) settled(name string) {
	l.Helper()
	ok := poll(l.Context(), func() (bool, error) {
		link, err := netlink.LinkByName(name)
		if err != nil || link.Attrs().OperState != netlink.OperUp {
			return false, err
		}
		addrs, err := netlink.AddrList(link, netlink.FAMILY_V6)
		return !slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return a.Flags&unix.IFA_F_TENTATIVE != 0 }), err
	})
	if !ok {
		l.Errorf("interface %s does not come up", name)
	}
}

func (l *lab) give(name, addr string) {
	l.Helper()
	link, err := netlink.LinkByName(name)
	if err != nil {
		l.Fatal(err)
	}
	a, err := netlink.ParseAddr(addr)
	if err != nil {
		l.Fatal(err)
	}
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/accept_dad", []byte("0"), 0); err != nil {
		l.Fatal(err)
	}
	if err := netlink.AddrAdd(link, a); err != nil {
		l.Fatal(err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		l.Fatal(err)
	}
}

// loopbackByGateway does what an attacker with NET_ADMIN in the pod does: 127.0.0.1 by way of the bridge.
func (l *lab) loopbackByGateway(attachment.Pod) error {
	for _, path := range []string{"/proc/sys/net/ipv4/conf/all/route_localnet", "/proc/sys/net/ipv4/conf/eth0/route_localnet"} {
		if err := os.WriteFile(path, []byte("1"), 0); err != nil {
			return err
		}
	}
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	addrs, err := netlink.AddrList(lo, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		if err := netlink.AddrDel(lo, &a); err != nil {
			return err
		}
	}
	dst, err := netlink.ParseIPNet("127.0.0.1/32")
	if err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Dst: dst, Gw: l.setup.nets.ipv4(gatewayNumber).AsSlice()})
}
