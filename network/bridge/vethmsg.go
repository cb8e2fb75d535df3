// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"crisp/network/attachment"
)

// maker is a netlink socket for making veths. netlink.LinkAdd sends three messages for an interface of a bridge: make, look up, set the
// master. The kernel takes all of it in one.
type maker struct {
	sockets map[int]*nl.SocketHandle
}

func openMaker() (*maker, error) {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	timeout := unix.NsecToTimeval(netlinkTimeout.Nanoseconds())
	if err := s.SetReceiveTimeout(&timeout); err != nil {
		s.Close()
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &maker{sockets: map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: s}}}, nil
}

func (m *maker) close() { m.sockets[unix.NETLINK_ROUTE].Close() }

// veth makes the wire, RTM_NEWLINK of rtnetlink(7):
//
//	ifinfomsg        up
//	IFLA_IFNAME      cr0123…
//	IFLA_MTU, IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES
//	IFLA_MASTER      index of the bridge
//	IFLA_LINKINFO
//	  IFLA_INFO_KIND   veth
//	  IFLA_INFO_DATA
//	    VETH_INFO_PEER
//	      ifinfomsg      down
//	      IFLA_IFNAME    eth0
//	      IFLA_ADDRESS, IFLA_MTU, IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES
//	      IFLA_NET_NS_FD the pod's namespace
func (m *maker) veth(w wire) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	req.Sockets = m.sockets
	host := nl.NewIfInfomsg(unix.AF_UNSPEC)
	host.Flags, host.Change = unix.IFF_UP, unix.IFF_UP
	req.AddData(host)
	add := func(kind int, data []byte) { req.AddData(nl.NewRtAttr(kind, data)) }
	add(unix.IFLA_IFNAME, nl.ZeroTerminated(w.name))
	w.size(add)
	add(unix.IFLA_MASTER, nl.Uint32Attr(uint32(w.bridge)))

	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("veth"))
	peer := info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.VETH_INFO_PEER, nil)
	nl.NewIfInfomsgChild(peer, unix.AF_UNSPEC)
	addPeer := func(kind int, data []byte) { peer.AddRtAttr(kind, data) }
	addPeer(unix.IFLA_IFNAME, nl.ZeroTerminated(attachment.IfName))
	addPeer(unix.IFLA_ADDRESS, w.mac)
	w.size(addPeer)
	addPeer(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(w.ns.Fd())))
	req.AddData(info)

	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// size adds what both ends have. One queue: the default is one for each CPU that the machine could have, which takes time and
// memory to make.
func (w wire) size(add func(kind int, data []byte)) {
	add(unix.IFLA_MTU, nl.Uint32Attr(uint32(w.mtu)))
	add(unix.IFLA_NUM_TX_QUEUES, nl.Uint32Attr(1))
	add(unix.IFLA_NUM_RX_QUEUES, nl.Uint32Attr(1))
}
