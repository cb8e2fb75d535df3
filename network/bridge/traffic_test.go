// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"crisp/network/attachment"
	"crisp/network/internal/isolate"
)

func TestPodsAndHostReachEachOther(t *testing.T) {
	l := newLab(t, 24)
	a, b := l.pod(), l.pod()
	ra, rb := l.attach(a), l.attach(b)
	l.serve(a, 80, "pod-a")
	l.serve(b, 80, "pod-b")
	if len(ra.IPs) != 2 || len(rb.IPs) != 2 {
		t.Fatalf("addresses %v and %v, want IPv4 and IPv6 each", ra.IPs, rb.IPs)
	}
	for i, ip := range ra.IPs {
		l.wantAnswer(addrPort(ip, 80), "pod-a")
		l.in(b, func() error {
			got := l.wantAnswer(addrPort(ip, 80), "pod-a")
			if want := rb.IPs[i].String(); !strings.HasSuffix(got, " "+want) {
				t.Errorf("pod a sees %q, want pod b's own address %s", got, want)
			}
			return nil
		})
	}
}

// The bridge must not go down in between: the first connection to the next pod would take a second.
func TestPodsOneAfterTheOtherAreReachedAtOnce(t *testing.T) {
	l := newLab(t, 24)
	for range 5 {
		p := l.pod()
		res := l.attach(p)
		l.serve(p, 80, "pod")
		for _, ip := range res.IPs {
			if _, err := ask(addrPort(ip, 80), patience/4); err != nil {
				t.Errorf("connect to %s: %v", ip, err)
			}
		}
		l.detach(p)
		if err := errors.Join(l.pins.Remove(p.ID), l.reaper.flush(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPodsReachTheHostByTheGateway(t *testing.T) {
	l := newLab(t, 24)
	p := l.pod()
	l.attach(p)
	for _, network := range []string{"tcp4", "tcp6"} {
		gateway := l.setup.nets.ipv4(gatewayNumber)
		if network == "tcp6" {
			gateway = l.setup.nets.ipv6(gatewayNumber)
		}
		listener, err := net.Listen(network, addrPort(gateway, 0))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if c, err := listener.Accept(); err == nil {
				c.Write([]byte("host"))
				c.Close()
			}
		}()
		l.in(p, func() error { l.wantAnswer(listener.Addr().String(), "host"); return nil })
		listener.Close()
	}
}

func TestHostPortFromEverywhere(t *testing.T) {
	for _, call := range []string{"0", "1"} {
		t.Run("bridge-nf-call "+call, func(t *testing.T) {
			for _, family := range []string{"iptables", "ip6tables"} {
				setForTest(t, "/proc/sys/net/bridge/bridge-nf-call-"+family, call)
			}
			hostPortFromEverywhere(t)
		})
	}
}

// setForTest sets a sysctl until the test ends. A kernel without it has the behaviour of "0".
func setForTest(t *testing.T, path, value string) {
	t.Helper()
	isolate.Need(t)
	before, err := os.ReadFile(path)
	if err != nil {
		if value == "0" {
			return
		}
		t.Skipf("%v", err)
	}
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(path, before, 0) })
}

func hostPortFromEverywhere(t *testing.T) {
	l := newLab(t, 24)
	a, b := l.pod("tcp 8080 80"), l.pod()
	l.attach(a)
	l.attach(b)
	l.serve(a, 80, "pod-a")
	nets := l.setup.nets
	addrs := []string{"127.0.0.1:8080", "127.1.2.3:8080", addrPort(nets.ipv4(gatewayNumber), 8080), addrPort(nets.ipv6(gatewayNumber), 8080), "localhost:8080"}
	for _, addr := range addrs {
		l.wantAnswer(addr, "pod-a")
	}
	if _, err := ask("[::1]:8080", silence); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("connect to [::1]:8080: %v; want a refusal, at once", err)
	}
	for _, p := range []attachment.Pod{b, a} { // another pod, and the pod itself
		l.in(p, func() error {
			l.wantAnswer(addrPort(nets.ipv4(gatewayNumber), 8080), "pod-a")
			l.wantAnswer(addrPort(nets.ipv6(gatewayNumber), 8080), "pod-a")
			return nil
		})
	}
	l.detach(a)
	for _, addr := range addrs {
		l.wantNoAnswer(addr)
	}
}

// From a machine beyond: a namespace that is connected to the node by a veth of its own.
func TestTrafficFromAndToBeyond(t *testing.T) {
	for _, node := range []struct{ here, there string }{{"192.0.2.1/24", "192.0.2.2/24"}, {"2001:db8::1/64", "2001:db8::2/64"}} {
		t.Run(node.here, func(t *testing.T) { trafficFromAndToBeyond(t, node.here, node.there) })
	}
}

func trafficFromAndToBeyond(t *testing.T, here, there string) {
	l := newLab(t, 24)
	p := l.pod("tcp 8081 80")
	l.attach(p)
	l.serve(p, 80, "pod")
	beyond := l.neighbour(here, there)
	node, client := netip.MustParsePrefix(here).Addr(), netip.MustParsePrefix(there).Addr()
	l.in(beyond, func() error {
		got := l.wantAnswer(addrPort(node, 8081), "pod")
		if !strings.HasSuffix(got, " "+client.String()) {
			t.Errorf("the pod sees %q, want the client's own address %s", got, client)
		}
		return nil
	})
	l.serve(beyond, 90, "beyond")
	l.in(p, func() error {
		got := l.wantAnswer(addrPort(client, 90), "beyond")
		if !strings.HasSuffix(got, " "+node.String()) {
			t.Errorf("the neighbour sees %q, want the node's address %s", got, node)
		}
		return nil
	})
}

func TestStrictReversePathFilter(t *testing.T) {
	for _, which := range []string{"all", "default"} {
		setForTest(t, "/proc/sys/net/ipv4/conf/"+which+"/rp_filter", "1")
	}
	l := newLab(t, 24)
	p := l.pod("tcp 8086 80")
	l.attach(p)
	l.serve(p, 80, "pod")
	l.wantAnswer("127.0.0.1:8086", "pod")
}

// A kernel without nftables is played by the state that the failed build leaves.
func TestWithoutNFTablesOnlyHostPortsFail(t *testing.T) {
	l := newLab(t, 24)
	b, err := l.prepare()
	if err != nil {
		t.Fatal(err)
	}
	without := *b
	without.noNAT = ErrNoNFTables
	l.setup.mu.Lock()
	l.setup.made = &without
	l.setup.mu.Unlock()
	if _, err := l.Attach(t.Context(), l.pod("tcp 8087 80")); !errors.Is(err, ErrNoNFTables) {
		t.Errorf("with a host port: %v, want ErrNoNFTables", err)
	}
	p := l.pod()
	res := l.attach(p)
	l.serve(p, 80, "pod")
	l.wantAnswer(addrPort(res.IPs[0], 80), "pod")
	// It arrives later: the next look finds it.
	l.setup.mu.Lock()
	l.setup.checked = l.setup.checked.Add(-2 * recheckEvery)
	l.setup.mu.Unlock()
	l.attach(l.pod("tcp 8087 80"))
}

func TestHostPortOfOneAddress(t *testing.T) {
	l := newLab(t, 24)
	a, b := l.pod("tcp 127.0.0.1:8082 80"), l.pod("tcp 8082 80")
	l.attach(a)
	l.attach(b)
	l.serve(a, 80, "pod-a")
	l.serve(b, 80, "pod-b")
	nets := l.setup.nets
	l.wantAnswer("127.0.0.1:8082", "pod-a")
	l.wantAnswer(addrPort(nets.ipv4(gatewayNumber), 8082), "pod-b")
	l.detach(a)
	l.wantAnswer("127.0.0.1:8082", "pod-b")
}

func TestHostPortOfOneIPv6Address(t *testing.T) {
	l := newLab(t, 24)
	if _, err := l.prepare(); err != nil {
		t.Fatal(err)
	}
	gateway := l.setup.nets.ipv6(gatewayNumber)
	a := l.pod("tcp " + addrPort(gateway, 8083) + " 80")
	l.attach(a)
	l.serve(a, 80, "pod-a")
	l.wantAnswer(addrPort(gateway, 8083), "pod-a")
	l.wantNoAnswer(addrPort(l.setup.nets.ipv4(gatewayNumber), 8083))
}

func TestUDPHostPortFollowsThePod(t *testing.T) {
	l := newLab(t, 24)
	a := l.pod("udp 5353 53")
	l.attach(a)
	l.serveUDP(a, 53, "pod-a")
	for _, addr := range []string{"127.0.0.1:5353", addrPort(l.setup.nets.ipv4(gatewayNumber), 5353)} {
		c, err := net.Dial("udp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got, err := askUDP(c); err != nil || got != "pod-a" {
			t.Fatalf("%s answered %q, %v", addr, got, err)
		}
		defer func() {
			// The same socket, and so the same conntrack entry.
			if got, err := askUDP(c); err != nil || got != "pod-b" {
				t.Errorf("%s answered %q, %v; the port belongs to pod b now", addr, got, err)
			}
		}()
	}
	l.detach(a)
	b := l.pod("udp 5353 53")
	l.attach(b)
	l.serveUDP(b, 53, "pod-b")
}

func TestHostPortZeroMapsNothing(t *testing.T) {
	l := newLab(t, 24)
	a, b := l.pod("tcp 0 80"), l.pod("tcp 0 80")
	l.attach(a)
	l.attach(b)
	l.wantNoAnswer("127.0.0.1:80")
}

func TestSCTPHostPort(t *testing.T) {
	l := newLab(t, 24)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	if err != nil {
		t.Skipf("the kernel has no SCTP: %v", err)
	}
	defer unix.Close(fd)
	p := l.pod("sctp 8084 80")
	l.attach(p)
	l.in(p, func() error {
		s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
		if err != nil {
			return err
		}
		t.Cleanup(func() { unix.Close(s) })
		if err := unix.Bind(s, &unix.SockaddrInet4{Port: 80}); err != nil {
			return err
		}
		return unix.Listen(s, 5)
	})
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 8084, Addr: l.setup.nets.ipv4(gatewayNumber).As4()}); err != nil {
		t.Errorf("connect: %v", err)
	}
}

// CVE-2020-8558: with route_localnet a neighbour could reach what listens on the node's 127.0.0.1.
func TestPodsDoNotReachTheHostsLoopback(t *testing.T) {
	l := newLab(t, 24)
	p := l.pod()
	l.attach(p)
	listener, err := net.Listen("tcp4", "127.0.0.1:8085")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan string, 1)
	go func() {
		if c, err := listener.Accept(); err == nil {
			accepted <- c.RemoteAddr().String()
			c.Close()
		}
	}()
	l.in(p, func() error {
		return l.loopbackByGateway(p)
	})
	l.in(p, func() error { l.wantNoAnswer("127.0.0.1:8085"); return nil })
	select {
	case from := <-accepted:
		t.Errorf("the node's 127.0.0.1:8085 was reached from the pod (%s)", from)
	default:
	}
}

func TestEveryAddressOfTheSubnetIsUsable(t *testing.T) {
	l := newLab(t, 29)
	seen := map[netip.Addr]bool{}
	for range 5 {
		p := l.pod()
		res := l.attach(p)
		l.serve(p, 80, "pod")
		l.wantAnswer(addrPort(res.IPs[0], 80), "pod")
		seen[res.IPs[0]] = true
	}
	if len(seen) != 5 {
		t.Errorf("addresses %v, want five different ones", seen)
	}
}
