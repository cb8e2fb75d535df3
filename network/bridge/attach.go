// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"crisp/network/attachment"
	"crisp/network/netns"
)

// The points at which tests break an attachment off.
const (
	afterRecord  = "record"
	afterVeth    = "veth"
	afterAddress = "address"
	afterPorts   = "ports"
	afterRelease = "release"
)

// Attach connects the pod: record, veth, addresses and routes, host ports, in this order. What is there already is kept,
// so that an attachment that was broken off is finished with the addresses of its record. An attachment that fails leaves nothing.
func (n *Network) Attach(ctx context.Context, p attachment.Pod) (attachment.Result, error) {
	ports, err := hostPorts(p.PortMappings)
	if err != nil {
		return attachment.Result{}, err
	}
	ns, err := netns.Open(p.NetNS)
	if err != nil {
		return attachment.Result{}, err
	}
	defer ns.Close()
	b, err := n.prepare()
	if err != nil {
		return attachment.Result{}, err
	}
	if len(ports) > 0 && b.noNAT != nil {
		return attachment.Result{}, fmt.Errorf("host port %s: %w", ports[0].keys()[0], b.noNAT)
	}
	if p.IngressBandwidth+p.EgressBandwidth > 0 || len(p.IPs) > 0 {
		n.log.Warn("the embedded network has no bandwidth limits and chooses addresses itself", "pod", p.ID)
	}
	rec, fresh, err := n.reserve(ctx, p, ports)
	if err != nil {
		return attachment.Result{}, err
	}
	res, err := n.realise(ctx, b, rec, ns)
	if err != nil && fresh && !errors.Is(err, errCrash) {
		err = errors.Join(err, n.Detach(context.WithoutCancel(ctx), p.ID))
	}
	return res, err
}

// errCrash is what tests let a fail point answer when nothing after it may happen, as if the daemon had been killed.
var errCrash = errors.New("crash")

// reserve gives the pod's record, which is on disk then; fresh if the pod had none.
func (n *Network) reserve(ctx context.Context, p attachment.Pod, ports []portRecord) (rec record, fresh bool, err error) {
	rec, leaving, ok := n.held(p.ID)
	if ok && !leaving {
		n.adopt(p.ID)
		return rec, false, nil
	}
	if err := n.Detach(ctx, p.ID); err != nil { // an earlier Detach had no success
		return record{}, false, err
	}
	if n.reaper.waits(hostLinkName(p.ID)) {
		if err := n.reaper.flush(ctx); err != nil {
			return record{}, false, err
		}
	}
	rec, err = n.claim(p, ports)
	if errors.Is(err, ErrNoAddress) {
		// Numbers whose interface is still going away are held too.
		if err := n.reaper.flush(ctx); err != nil {
			return record{}, false, err
		}
		rec, err = n.claim(p, ports)
	}
	if err != nil {
		return record{}, false, err
	}
	if err := n.files.save(rec); err != nil {
		n.release(rec)
		return record{}, false, fmt.Errorf("record the addresses of pod %s: %w", p.ID, err)
	}
	return rec, true, n.fail(afterRecord)
}

// adopt takes the pod from those that only an earlier daemon knew.
func (n *Network) adopt(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p, ok := n.pods[id]; ok {
		p.inherited = false
	}
}

func (n *Network) held(id string) (rec record, leaving, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, ok := n.pods[id]
	if !ok {
		return record{}, false, false
	}
	return p.record, p.leaving, true
}

// claim takes a number and the ports for the pod, in memory.
func (n *Network) claim(p attachment.Pod, ports []portRecord) (record, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	nets := n.setup.nets
	if k, ok := reachable(ports, nets.v6.Addr()); !ok {
		return record{}, fmt.Errorf("host port %s: %w: pods have no IPv6 address", k, ErrInvalidPort)
	}
	if err := n.ports.claim(p.ID, ports); err != nil {
		return record{}, err
	}
	number, ok := n.pool.take()
	if !ok {
		n.ports.release(p.ID, ports)
		return record{}, fmt.Errorf("subnet %s: %w: %d pods hold one", nets.v4, ErrNoAddress, len(n.pods))
	}
	rec := record{Version: recordVersion, ID: p.ID, IPv4: nets.ipv4(number), Ports: ports}
	if p.Name != "" {
		rec.Pod = p.Namespace + "/" + p.Name
	}
	if nets.v6.IsValid() {
		rec.IPv6 = nets.ipv6(number)
	}
	n.pods[p.ID] = &pod{record: rec}
	return rec, nil
}

// release forgets the pod; its number is free at once.
func (n *Network) release(rec record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pods, rec.ID)
	n.ports.release(rec.ID, rec.Ports)
	if number, ok := n.setup.nets.number(rec.IPv4); ok {
		n.pool.free(number)
	}
}

// realise makes in the kernel what the record says.
func (n *Network) realise(ctx context.Context, b *base, rec record, ns *os.File) (attachment.Result, error) {
	addrs, gateways := n.addressesOf(rec)
	w := wire{
		host: n.host, maker: n.maker, bridge: b.index, mtu: b.mtu, name: hostLinkName(rec.ID), ns: ns,
		mac: hardwareAddr(rec.IPv4), six: len(addrs) > 1,
	}
	pod, link, err := w.connect()
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL) { // the bridge is gone
		n.forget(b)
		if b, err = n.prepare(); err == nil {
			w.bridge, w.mtu = b.index, b.mtu
			pod, link, err = w.connect()
		}
	}
	if err != nil {
		return attachment.Result{}, err
	}
	defer pod.Close()
	if err := n.fail(afterVeth); err != nil {
		return attachment.Result{}, err
	}
	if err := equip(pod, link, addrs, gateways); err != nil {
		return attachment.Result{}, err
	}
	if err := n.fail(afterAddress); err != nil {
		return attachment.Result{}, err
	}
	if err := n.openPorts(rec); err != nil {
		return attachment.Result{}, err
	}
	if passes, err := w.settle(ctx, pod, link); err != nil {
		return attachment.Result{}, err
	} else if !passes {
		n.log.Warn("the pod's interface has no carrier yet: its first packets may be lost", "pod", rec.ID)
	}
	return result(w.mac.String(), addrs), n.fail(afterPorts)
}

// openPorts leads the pod's host ports to it. A connection that conntrack knows goes on to where the port led before: for
// UDP that can be any client that sends more often than every 30 s.
func (n *Network) openPorts(rec record) error {
	if err := n.nat.add(rec); err != nil {
		return err
	}
	n.forgetUDP(rec)
	return nil
}

func openInside(ns *os.File) (h *netlink.Handle, err error) {
	err = netns.Enter(ns, func() error {
		h, err = openHandle()
		return err
	})
	return h, err
}

// addressesOf gives the record's addresses with the subnets' lengths, and the bridge's of the same families.
func (n *Network) addressesOf(rec record) (addrs []netip.Prefix, gateways []netip.Addr) {
	nets := n.setup.nets
	addrs = append(addrs, netip.PrefixFrom(rec.IPv4, nets.v4.Bits()))
	gateways = append(gateways, nets.ipv4(gatewayNumber))
	if rec.IPv6.IsValid() && nets.v6.IsValid() {
		addrs = append(addrs, netip.PrefixFrom(rec.IPv6, nets.v6.Bits()))
		gateways = append(gateways, nets.ipv6(gatewayNumber))
	}
	return addrs, gateways
}

func result(mac string, addrs []netip.Prefix) attachment.Result {
	res := attachment.Result{Interfaces: []attachment.Interface{{Name: attachment.IfName, MAC: mac, Addresses: addrs}}}
	for _, a := range addrs {
		res.IPs = append(res.IPs, a.Addr())
	}
	return res
}

// inspect verifies that the kernel has what the record says.
func (n *Network) inspect(rec record, ns *os.File) error {
	pod, err := openInside(ns)
	if err != nil {
		return err
	}
	defer pod.Close()
	b, err := n.prepare()
	if err != nil {
		return err
	}
	link, err := wire{host: n.host, bridge: b.index, name: hostLinkName(rec.ID), ns: ns, mac: hardwareAddr(rec.IPv4)}.peer(pod)
	if err != nil {
		return fmt.Errorf("pod %s: %w: %w", rec.ID, attachment.ErrNotAttached, err)
	}
	have, err := pod.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list addresses of pod %s: %w", rec.ID, err)
	}
	want, _ := n.addressesOf(rec)
	for _, w := range want {
		if !slices.ContainsFunc(have, func(a netlink.Addr) bool { return prefixOf(a.IPNet) == w }) {
			return fmt.Errorf("pod %s: %w: address %s is gone", rec.ID, attachment.ErrNotAttached, w)
		}
	}
	return nil
}
