// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"crisp/network/attachment"
	"crisp/network/netns"
)

// wire is what a pod's veth is made from.
type wire struct {
	host   *netlink.Handle // in the node's namespace
	maker  *maker
	bridge int // index of the bridge
	mtu    int
	name   string // of the host's end
	ns     *os.File
	mac    net.HardwareAddr
	six    bool // the pod gets IPv6
}

// connect makes the veth, or finds the one that was made when an attachment was broken off, and opens a netlink socket inside the pod.
//
// One message makes both ends, each in its namespace, the host's in the bridge and up. To make the peer here
// and to move it takes 30 times as long: dev_change_net_namespace waits for RCU.
func (w wire) connect() (pod *netlink.Handle, peer netlink.Link, err error) {
	err = w.make()
	if errors.Is(err, unix.EEXIST) {
		err = w.recover()
	}
	if err != nil {
		return nil, nil, err
	}
	if pod, err = w.enter(); err != nil {
		return nil, nil, err
	}
	if peer, err = w.find(pod); err != nil {
		pod.Close()
		return nil, nil, err
	}
	return pod, peer, nil
}

// recover keeps the veth that is there if it is whole. Else the host's end is a leftover, or the pod has an eth0 of
// somebody else; making it again tells.
func (w wire) recover() error {
	pod, err := openInside(w.ns)
	if err != nil {
		return err
	}
	_, err = w.peer(pod)
	pod.Close()
	if err == nil {
		return nil
	}
	if err := removeLink(w.host, w.name); err != nil {
		return err
	}
	err = w.make()
	if errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("interface %s of network namespace %s: %w", attachment.IfName, w.ns.Name(), ErrInterfaceInUse)
	}
	return err
}

// enter goes inside once, for a netlink socket and for what only /proc/sys can set, before the interface is up.
func (w wire) enter() (pod *netlink.Handle, err error) {
	err = netns.Enter(w.ns, func() error {
		if w.six {
			if err := quietIPv6(); err != nil {
				return err
			}
		}
		pod, err = openHandle()
		return err
	})
	return pod, err
}

// quietIPv6 prepares eth0 in the calling thread's namespace: everything is assigned, so there is no router to be asked for (and no other
// pod to be believed when it says that it is one) and no duplicate to be looked for. With that a pod that comes sends nothing
// that the bridge would have to hand to all others.
func quietIPv6() error {
	for _, s := range [][2]string{{"disable_ipv6", "0"}, {"accept_ra", "0"}, {"accept_dad", "0"}} {
		if err := setSysctl(filepath.Join(conf6, attachment.IfName, s[0]), s[1]); err != nil {
			return err
		}
	}
	return nil
}

// How long settle waits. It takes 0.1 ms, or as long as others hold the kernel's lock of all networks.
const (
	settlePause   = 50 * time.Microsecond
	settleTimeout = 500 * time.Millisecond
)

// settle waits until packets pass: the kernel takes note in the background (linkwatch) that the veth is up, and with the first pod the bridge.
// What is sent before is dropped, and an ARP request or a SYN comes again after a second only. False when it takes too long.
func (w wire) settle(ctx context.Context, pod *netlink.Handle, peer netlink.Link) (passes bool, err error) {
	passes = w.awaitUp(ctx, peer.Attrs().ParentIndex) && w.awaitUp(ctx, w.bridge) && (!w.six || w.awaitIPv6(ctx, pod, peer))
	// The state is set first and the port is opened then, under the lock that this takes too.
	return passes, w.hairpin(peer)
}

func (w wire) awaitUp(ctx context.Context, index int) bool {
	return poll(ctx, func() (bool, error) {
		link, err := w.host.LinkByIndex(index)
		return err == nil && link.Attrs().OperState == netlink.OperUp, err
	})
}

// awaitIPv6 waits until the pod listens to those who ask for the owner of its address: it joins their group in the background as well, and
// the address is tentative until then.
func (w wire) awaitIPv6(ctx context.Context, pod *netlink.Handle, peer netlink.Link) bool {
	return poll(ctx, func() (bool, error) {
		addrs, err := pod.AddrList(peer, netlink.FAMILY_V6)
		return err == nil && !slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return a.Flags&unix.IFA_F_TENTATIVE != 0 }), err
	})
}

func poll(ctx context.Context, ready func() (bool, error)) bool {
	for deadline := time.Now().Add(settleTimeout); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(settlePause) {
		ok, err := ready()
		if ok || err != nil {
			return ok
		}
	}
	return false
}

// hairpin lets the bridge send a frame back where it came from. With br_netfilter (net.bridge.bridge-nf-call-iptables, which Kubernetes
// wants on) the bridge itself translates what is addressed to a host port or a service, before routing sees it, and when the
// pod is its own server, the answer is that very port.
func (w wire) hairpin(peer netlink.Link) error {
	port := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: peer.Attrs().ParentIndex}}
	if err := w.host.LinkSetHairpin(port, true); err != nil {
		return fmt.Errorf("set hairpin mode of %s: %w", w.name, err)
	}
	return nil
}

func (w wire) make() error {
	if err := w.maker.veth(w); err != nil {
		return fmt.Errorf("make veth %s: %w", w.name, err)
	}
	return nil
}

// peer finds the pod's end and verifies that it is the other end of ours, in the bridge.
func (w wire) peer(pod *netlink.Handle) (netlink.Link, error) {
	in, err := w.find(pod)
	if err != nil {
		return nil, err
	}
	if in.Attrs().HardwareAddr.String() == w.mac.String() && in.Type() == "veth" {
		out, err := w.host.LinkByIndex(in.Attrs().ParentIndex)
		if err == nil && out.Attrs().Name == w.name && out.Attrs().MasterIndex == w.bridge {
			return in, nil
		}
	}
	return nil, fmt.Errorf("interface %s of network namespace %s: %w", attachment.IfName, w.ns.Name(), ErrInterfaceInUse)
}

func (w wire) find(pod *netlink.Handle) (netlink.Link, error) {
	in, err := pod.LinkByName(attachment.IfName)
	if err != nil {
		return nil, fmt.Errorf("find interface %s of network namespace %s: %w", attachment.IfName, w.ns.Name(), err)
	}
	return in, nil
}

// removeLink deletes an interface; no error when there is none.
func removeLink(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err == nil {
		err = h.LinkDel(link)
	}
	if err != nil && !isGone(err) {
		return fmt.Errorf("delete interface %s: %w", name, err)
	}
	return nil
}

// equip brings the pod's end up and gives it addresses and default routes.
func equip(pod *netlink.Handle, link netlink.Link, addrs []netip.Prefix, gateways []netip.Addr) error {
	if err := pod.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring %s up: %w", link.Attrs().Name, err)
	}
	for i, a := range addrs {
		if err := pod.AddrReplace(link, &netlink.Addr{IPNet: ipNet(a)}); err != nil {
			return fmt.Errorf("add address %s to %s: %w", a, link.Attrs().Name, err)
		}
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: gateways[i].AsSlice()}
		if err := pod.RouteReplace(route); err != nil {
			return fmt.Errorf("add default route by %s: %w", gateways[i], err)
		}
	}
	return nil
}
