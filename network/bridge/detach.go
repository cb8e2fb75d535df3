// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"fmt"
	"net/netip"

	"crisp/network/attachment"
)

// Detach frees what the pod holds: host ports, record, addresses. The veth goes in the background, and its number is
// given to nobody before. No error when the pod holds nothing; after an error everything that is left is still recorded.
func (n *Network) Detach(_ context.Context, id string) error {
	n.mu.Lock()
	p, ok := n.pods[id]
	if ok {
		p.leaving = true
	}
	n.mu.Unlock()
	if !ok {
		return nil
	}
	if err := n.closePorts(p.record); err != nil {
		return err
	}
	if err := n.files.remove(id); err != nil {
		return fmt.Errorf("remove the record of pod %s: %w", id, err)
	}
	if err := n.fail(afterRelease); err != nil {
		return err
	}
	n.mu.Lock()
	delete(n.pods, id)
	n.ports.release(id, p.Ports)
	n.mu.Unlock()
	n.reaper.add(hostLinkName(id), func() { n.free(p.IPv4) })
	return nil
}

func (n *Network) free(addr netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if number, ok := n.setup.nets.number(addr); ok {
		n.pool.free(number)
	}
}

// closePorts ends the translation. After a reboot there is no table until it is made with the first pod, without this one.
func (n *Network) closePorts(rec record) error {
	if len(rec.Ports) == 0 {
		return nil
	}
	if err := n.nat.remove(rec); err != nil {
		return err
	}
	n.forgetUDP(rec)
	return nil
}

// forgetUDP makes conntrack forget the UDP flows to the pod's host ports. An entry leads to where the port led when it was made,
// and each packet renews it, so a busy client would stay with the pod that had the port before. TCP ends with its connections.
func (n *Network) forgetUDP(rec record) {
	ports := udpPorts{}
	for _, p := range rec.Ports {
		if p.Protocol == attachment.UDP {
			ports[p.HostPort] = true
		}
	}
	if len(ports) == 0 {
		return
	}
	if err := n.flows.forget(ports); err != nil {
		n.log.Warn("conntrack entries of UDP host ports not removed", "pod", rec.ID, "error", err)
	}
}
