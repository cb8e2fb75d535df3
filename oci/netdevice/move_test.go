// SPDX-License-Identifier: Apache-2.0

package netdevice

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// lab is two network namespaces that nobody else knows of: the host, which the test's thread is in, and the container. What is in them is
// made and looked at by a library, not by the code under test.
type lab struct {
	*testing.T
	ns           *os.File // the container's
	away         netns.NsHandle
	peers        int
	host, inside *netlink.Handle
}

func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("makes network namespaces: needs root")
	}
	runtime.LockOSThread() // for ever: the thread ends with the test
	l := &lab{T: t}
	var all [3]netns.NsHandle
	for i := range all {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Fatal(err)
		}
		ns, err := netns.Get()
		if err != nil {
			t.Fatal(err)
		}
		all[i] = ns
	}
	var err error
	if err := netns.Set(all[1]); err != nil {
		t.Fatal(err)
	}
	if l.ns, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		t.Fatal(err)
	}
	l.away = all[2]
	if err := netns.Set(all[0]); err != nil {
		t.Fatal(err)
	}
	if l.host, err = netlink.NewHandleAt(all[0]); err != nil {
		t.Fatal(err)
	}
	if l.inside, err = netlink.NewHandleAt(all[1]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.ns.Close()
		l.host.Close()
		l.inside.Close()
		for _, ns := range all {
			ns.Close()
		}
	})
	return l
}

// dummy makes a device: one end of a veth pair, which every kernel has that runs containers. The other end is out of sight.
func (l *lab) dummy(at *netlink.Handle, name string, addresses ...string) {
	l.Helper()
	l.peers++
	link := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: name, MTU: 1789}, PeerName: fmt.Sprintf("peer%d", l.peers), PeerNamespace: netlink.NsFd(l.away),
	}
	if err := at.LinkAdd(link); err != nil {
		l.Fatal(err)
	}
	for _, text := range addresses {
		a, err := netlink.ParseAddr(text)
		if err != nil {
			l.Fatal(err)
		}
		if a.IP.To4() == nil {
			a.Flags = unix.IFA_F_NODAD
		}
		if strings.HasPrefix(text, "169.254.") {
			a.Scope = unix.RT_SCOPE_LINK
		}
		if err := at.AddrAdd(link, a); err != nil {
			l.Fatal(text, err)
		}
	}
}

func (l *lab) up(at *netlink.Handle, name string) {
	l.Helper()
	link, err := at.LinkByName(name)
	if err == nil {
		err = at.LinkSetUp(link)
	}
	if err != nil {
		l.Fatal(err)
	}
}

// names lists the devices of a namespace but for lo.
func (l *lab) names(at *netlink.Handle) string {
	l.Helper()
	links, err := at.LinkList()
	if err != nil {
		l.Fatal(err)
	}
	var all []string
	for _, link := range links {
		if n := link.Attrs().Name; n != "lo" {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// look tells what a device is like: flags, MTU, addresses without those that the kernel makes.
func (l *lab) look(at *netlink.Handle, name string) string {
	l.Helper()
	link, err := at.LinkByName(name)
	if err != nil {
		l.Fatal(name, err)
	}
	addrs, err := at.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		l.Fatal(err)
	}
	var all []string
	for _, a := range addrs {
		if !a.IP.IsLinkLocalUnicast() || a.IP.To4() != nil {
			all = append(all, a.IPNet.String())
		}
	}
	slices.Sort(all)
	state := "down"
	if link.Attrs().Flags&net.FlagUp != 0 {
		state = "up"
	}
	if link.Attrs().MTU != 1789 {
		state += " with another MTU"
	}
	return state + " " + strings.Join(all, " ")
}

func (l *lab) equal(what, got, want string) {
	l.Helper()
	if got != want {
		l.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestDevicesMoveWithTheirAddresses(t *testing.T) {
	l := newLab(t)
	l.dummy(l.host, "eth1", "10.0.0.5/24", "10.0.0.6/24", "169.254.1.1/16", "2001:db8::5/64")
	l.dummy(l.host, "eth2")
	l.up(l.host, "eth1")
	m, err := Move(map[string]specs.LinuxNetDevice{"eth1": {}, "eth2": {Name: "net7"}}, l.ns)
	if err != nil {
		t.Fatal(err)
	}
	m.Release()
	l.equal("host", l.names(l.host), "")
	l.equal("container", l.names(l.inside), "eth1 net7")
	l.equal("eth1", l.look(l.inside, "eth1"), "up 10.0.0.5/24 10.0.0.6/24 2001:db8::5/64")
	l.equal("net7", l.look(l.inside, "net7"), "up ")
}

func TestPointToPointAddressKeepsItsPeer(t *testing.T) {
	l := newLab(t)
	l.dummy(l.host, "tun7")
	link, err := l.host.LinkByName("tun7")
	if err != nil {
		t.Fatal(err)
	}
	a, _ := netlink.ParseAddr("10.1.0.1/32")
	a.Peer, a.Flags = &net.IPNet{IP: net.IPv4(10, 1, 0, 2), Mask: net.CIDRMask(32, 32)}, unix.IFA_F_NOPREFIXROUTE
	if err := l.host.AddrAdd(link, a); err != nil {
		t.Fatal(err)
	}
	m, err := Move(map[string]specs.LinuxNetDevice{"tun7": {}}, l.ns)
	if err != nil {
		t.Fatal(err)
	}
	m.Release()
	if link, err = l.inside.LinkByName("tun7"); err != nil {
		t.Fatal(err)
	}
	addrs, err := l.inside.AddrList(link, netlink.FAMILY_V4)
	if err != nil || len(addrs) != 1 {
		t.Fatal(addrs, err)
	}
	if got := addrs[0]; got.Peer == nil || got.Peer.String() != "10.1.0.2/32" || got.IP.String() != "10.1.0.1" || got.Flags&unix.IFA_F_NOPREFIXROUTE == 0 {
		t.Errorf("address %+v, peer %v, flags %#x", got, got.Peer, got.Flags)
	}
}

func TestUndoBringsDevicesBack(t *testing.T) {
	l := newLab(t)
	l.dummy(l.host, "eth1", "10.0.0.5/24", "169.254.1.1/16", "2001:db8::5/64")
	l.dummy(l.host, "eth2", "10.9.9.9/32")
	l.up(l.host, "eth1")
	before1, before2 := l.look(l.host, "eth1"), l.look(l.host, "eth2")
	m, err := Move(map[string]specs.LinuxNetDevice{"eth1": {Name: "net1"}, "eth2": {}}, l.ns)
	if err != nil {
		t.Fatal(err)
	}
	l.equal("moved", strings.Join(m.Names(), " "), "net1 eth2")
	for range 2 {
		if err := m.Undo(); err != nil {
			t.Fatal(err)
		}
	}
	l.equal("host", l.names(l.host), "eth1 eth2")
	l.equal("container", l.names(l.inside), "")
	l.equal("eth1", l.look(l.host, "eth1"), before1)
	l.equal("eth2", l.look(l.host, "eth2"), before2)
}

func TestConflictMovesNothing(t *testing.T) {
	l := newLab(t)
	l.dummy(l.host, "eth1", "10.0.0.5/24")
	l.dummy(l.host, "eth2")
	l.up(l.host, "eth1")
	l.dummy(l.inside, "net2")
	before := l.look(l.host, "eth1")
	for want, devices := range map[error]map[string]specs.LinuxNetDevice{
		ErrExists:   {"eth1": {}, "eth2": {Name: "net2"}},
		ErrNotFound: {"eth1": {}, "nothing": {}},
	} {
		_, err := Move(devices, l.ns)
		if !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
		l.equal("host", l.names(l.host), "eth1 eth2")
		l.equal("container", l.names(l.inside), "net2")
		l.equal("eth1", l.look(l.host, "eth1"), before)
	}
}

// The container may have a device of the name that this one has on the host.
func TestRenameGoesPastTheOldName(t *testing.T) {
	l := newLab(t)
	l.dummy(l.host, "eth1")
	l.dummy(l.inside, "eth1")
	m, err := Move(map[string]specs.LinuxNetDevice{"eth1": {Name: "eth5"}}, l.ns)
	if err != nil {
		t.Fatal(err)
	}
	l.equal("container", l.names(l.inside), "eth1 eth5")
	if err := m.Undo(); err != nil {
		t.Fatal(err)
	}
	l.equal("host", l.names(l.host), "eth1")
	l.equal("container", l.names(l.inside), "eth1")
}

func TestTemplateTakesAFreeNumber(t *testing.T) {
	l := newLab(t)
	l.dummy(l.host, "a")
	l.dummy(l.host, "b")
	l.dummy(l.inside, "net0")
	l.dummy(l.inside, "net2")
	m, err := Move(map[string]specs.LinuxNetDevice{"a": {Name: "net%d"}, "b": {Name: "net%d"}}, l.ns)
	if err != nil {
		t.Fatal(err)
	}
	m.Release()
	l.equal("container", l.names(l.inside), "net0 net1 net2 net3")
}

// The namespace of a container that could not be created has no process any more: the open file keeps it.
func TestFilesDoNotStayOpen(t *testing.T) {
	l := newLab(t)
	l.dummy(l.host, "eth1")
	count := func() int {
		all, _ := os.ReadDir("/proc/self/fd")
		return len(all)
	}
	before := count()
	for range 3 {
		if _, err := Move(map[string]specs.LinuxNetDevice{"eth1": {}, "x": {}}, l.ns); err == nil {
			t.Fatal("moved")
		}
		m, err := Move(map[string]specs.LinuxNetDevice{"eth1": {}}, l.ns)
		if err == nil {
			err = m.Undo()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if after := count(); after != before {
		t.Errorf("%d files, then %d", before, after)
	}
}

func FuzzReplies(f *testing.F) {
	link := seal(appendText(linkMessage(unix.RTM_NEWLINK, 0, 3, unix.IFF_UP, 0), unix.IFLA_IFNAME, "eth0"), 1)
	f.Add(link)
	f.Add(seal(address{family: unix.AF_INET, prefix: 24, index: 3, attrs: appendAttr(nil, unix.IFA_LOCAL, []byte{10, 0, 0, 1})}.request(3), 2))
	f.Add(seal(append(newMessage(unix.NLMSG_ERROR, unix.NLM_F_ACK_TLVS), make([]byte, 20)...), 3))
	f.Add(append(link, link...))
	f.Fuzz(func(t *testing.T, b []byte) {
		replies, err := splitReplies(b)
		if err != nil {
			return
		}
		for _, r := range replies {
			_ = failure(r)
			if d, err := parseDevice(r.body); err == nil {
				again, err := parseDevice(appendText(linkMessage(0, 0, d.index, order.Uint32(r.body[8:]), 0), unix.IFLA_IFNAME, d.name)[headerSize:])
				if err != nil || again != d {
					t.Errorf("%+v became %+v, %v", d, again, err)
				}
			}
			a, err := parseAddress(r.body)
			if err != nil {
				continue
			}
			again, err := parseAddress(a.request(a.index)[headerSize:])
			if err != nil || again.index != a.index || again.family != a.family || again.flags != a.flags&given || string(again.attrs) != string(a.attrs) {
				t.Errorf("%+v became %+v, %v", a, again, err)
			}
		}
	})
}
