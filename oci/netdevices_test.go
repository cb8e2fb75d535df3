// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/vishvananda/netlink"
)

// newDevice makes one end of a pair on the host, up and with an address.
func newDevice(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("cr%da", os.Getpid())
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: fmt.Sprintf("cr%db", os.Getpid())}
	if err := netlink.LinkAdd(pair); err != nil {
		t.Skipf("this kernel makes no pair of links: %v", err)
	}
	t.Cleanup(func() {
		if peer, err := netlink.LinkByName(pair.PeerName); err == nil { // gone with a namespace that the other was in
			_ = netlink.LinkDel(peer)
		}
	})
	address, err := netlink.ParseAddr("192.0.2.77/32")
	if err == nil {
		err = netlink.AddrAdd(pair, address)
	}
	if err == nil {
		err = netlink.LinkSetUp(pair)
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestNetworkDeviceIsTheContainers(t *testing.T) {
	b := newBench(t)
	name := newDevice(t)
	s := b.spec("wait")
	s.Linux.NetDevices = map[string]specs.LinuxNetDevice{name: {Name: "net1"}}
	k := b.create(s)
	inside := fmt.Sprintf("/proc/%d/net/", k.Pid)
	if links := content(t, inside+"dev"); !strings.Contains(links, "net1:") {
		t.Errorf("the container has no net1:\n%s", links)
	}
	if table := content(t, inside+"fib_trie"); !strings.Contains(table, "192.0.2.77") {
		t.Errorf("the address stayed behind:\n%s", table)
	}
	if _, err := netlink.LinkByName(name); err == nil {
		t.Errorf("%s is still the host's", name)
	}
}

func TestNetworkDeviceOfAFailedContainerComesBack(t *testing.T) {
	b := newBench(t)
	name := newDevice(t)
	s := b.spec("wait")
	s.Linux.NetDevices = map[string]specs.LinuxNetDevice{name: {Name: "net1"}}
	s.Hooks = &specs.Hooks{CreateRuntime: script("exit 3")}
	if _, err := b.tryCreate(s); err == nil {
		t.Fatal("created in spite of its hook")
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil || len(addresses) != 1 || addresses[0].IP.String() != "192.0.2.77" {
		t.Errorf("addresses %v, %v", addresses, err)
	}
	b.untilForgotten()
}

func TestNetworkDeviceDoesNotMoveWithinTheHostsNetwork(t *testing.T) {
	b := newBench(t)
	name := newDevice(t)
	s := b.spec("wait")
	for i := range s.Linux.Namespaces {
		if s.Linux.Namespaces[i].Type == specs.NetworkNamespace {
			s.Linux.Namespaces[i].Path = "/proc/self/ns/net"
		}
	}
	s.Linux.NetDevices = map[string]specs.LinuxNetDevice{name: {Name: "net1"}}
	if _, err := b.tryCreate(s); err == nil || !strings.Contains(err.Error(), "linux.netDevices") {
		t.Errorf("%v", err)
	}
	if _, err := netlink.LinkByName(name); err != nil {
		t.Error(err)
	}
	b.untilForgotten()
}
