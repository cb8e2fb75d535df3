// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
)

// recheckEvery is how often it is looked whether somebody else flushed the table away.
const recheckEvery = 10 * time.Second

// setup is what the pods have in common: the bridge, its addresses, the node's sysctls, the table.
type setup struct {
	nets subnets

	// mu guards the making of it; pods that come meanwhile wait (it takes 2 ms).
	mu      sync.Mutex
	made    *base
	checked time.Time
}

// base is what a pod's veth is connected to.
type base struct {
	index int
	mtu   int
	// noNAT is why there is no table, nil if there is one.
	noNAT error
}

// prepare makes what the pods have in common, once.
func (n *Network) prepare() (*base, error) {
	s := &n.setup
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made != nil {
		if time.Since(s.checked) > recheckEvery {
			s.checked = time.Now()
			n.recheckNAT()
		}
		return s.made, nil
	}
	made, err := n.make()
	if err != nil {
		return nil, fmt.Errorf("embedded network: %w", err)
	}
	s.made, s.checked = made, time.Now()
	return made, nil
}

// forget has the next pod make everything again: somebody deleted the bridge.
func (n *Network) forget(b *base) {
	n.setup.mu.Lock()
	defer n.setup.mu.Unlock()
	if n.setup.made == b {
		n.setup.made = nil
	}
}

// recheckNAT sees, with setup.mu held, whether nftables arrived meanwhile (a module was loaded), or, in the background, whether somebody else
// removed the table ("nft flush ruleset").
func (n *Network) recheckNAT() {
	if n.setup.made.noNAT != nil {
		b := *n.setup.made
		b.noNAT = n.nat.build()
		n.setup.made = &b
		return
	}
	n.background.Go(func() {
		if n.nat.exists() {
			return
		}
		if err := n.nat.build(); err != nil {
			n.log.Warn("nftables table is gone and cannot be built", "error", err)
			return
		}
		n.log.Warn("nftables table was gone and is built again")
	})
}

func (n *Network) make() (*base, error) {
	routes, err := mainRoutes(n.host)
	if err != nil {
		return nil, err
	}
	nets := n.setup.nets
	if err := checkFree(n.host, routes, n.cfg.Name, nets.v4, nets.v6); err != nil {
		return nil, err
	}
	mtu := n.cfg.MTU
	if mtu == 0 {
		mtu = uplinkMTU(n.host, routes)
	}
	link, err := findOrMakeBridge(n.host, n.cfg.Name, mtu)
	if err != nil {
		return nil, err
	}
	if err := n.address(link); err != nil {
		return nil, err
	}
	if err := n.sweep(link.Attrs().Index); err != nil {
		return nil, err
	}
	b := &base{index: link.Attrs().Index, mtu: mtu}
	if b.noNAT = n.nat.build(); b.noNAT != nil {
		n.log.Warn("no nftables: pods reach the node and each other only, and host ports do not work", "error", b.noNAT)
	}
	return b, nil
}

// address gives the bridge its addresses and lets the node forward.
func (n *Network) address(link netlink.Link) error {
	nets := n.setup.nets
	if err := setAddress(n.host, link, netip.PrefixFrom(nets.ipv4(gatewayNumber), nets.v4.Bits())); err != nil {
		return err
	}
	if err := forwardIPv4(n.cfg.Name); err != nil {
		return err
	}
	if !nets.v6.IsValid() {
		return nil
	}
	if err := enableIPv6(n.cfg.Name); err != nil {
		return err
	}
	if err := setAddress(n.host, link, netip.PrefixFrom(nets.ipv6(gatewayNumber), nets.v6.Bits())); err != nil {
		return err
	}
	return forwardIPv6()
}

// sweep deletes the interfaces of pods without a record: a daemon was killed between the removal of the record and theirs.
func (n *Network) sweep(bridge int) error {
	links, err := n.host.LinkList()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	owned := map[string]bool{}
	for _, r := range n.standing() {
		owned[hostLinkName(r.ID)] = true
	}
	var errs []error
	for _, l := range links {
		name := l.Attrs().Name
		if l.Attrs().MasterIndex != bridge || !isHostLinkName(name) || owned[name] || n.reaper.waits(name) {
			continue
		}
		n.log.Info("deleting the interface of a pod that is gone", "interface", name)
		errs = append(errs, removeLink(n.host, name))
	}
	return errors.Join(errs...)
}

// tearDown removes the table and the bridge, if it was made and nobody else's interface is in it.
func (n *Network) tearDown() error {
	n.setup.mu.Lock()
	defer n.setup.mu.Unlock()
	if n.setup.made == nil {
		return nil
	}
	links, err := n.host.LinkList()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	for _, l := range links {
		if l.Attrs().MasterIndex == n.setup.made.index {
			return nil
		}
	}
	var natErr error
	if n.setup.made.noNAT == nil {
		natErr = n.nat.destroy()
	}
	n.setup.made = nil
	return errors.Join(natErr, removeLink(n.host, n.cfg.Name))
}
