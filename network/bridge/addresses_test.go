// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"net/netip"
	"testing"
)

func TestNumbersAndAddresses(t *testing.T) {
	s := subnets{v4: netip.MustParsePrefix("10.1.2.248/29"), v6: netip.MustParsePrefix("fd00::1:0/112")}
	if s.lastPod() != 6 {
		t.Errorf("last pod %d, want 6", s.lastPod())
	}
	for n, want := range map[uint32][2]string{1: {"10.1.2.249", "fd00::1:1"}, 2: {"10.1.2.250", "fd00::1:2"}, 6: {"10.1.2.254", "fd00::1:6"}} {
		if s.ipv4(n).String() != want[0] || s.ipv6(n).String() != want[1] {
			t.Errorf("number %d has %s and %s, want %v", n, s.ipv4(n), s.ipv6(n), want)
		}
	}
	for addr, want := range map[string]bool{
		"10.1.2.248": false, "10.1.2.249": false, "10.1.2.250": true, "10.1.2.254": true, "10.1.2.255": false, "10.1.3.0": false, "10.1.2.247": false,
		"fd00::1:2": false,
	} {
		n, ok := s.number(netip.MustParseAddr(addr))
		if ok != want || ok && s.ipv4(n).String() != addr {
			t.Errorf("number of %s: %d, %v; want %v", addr, n, ok, want)
		}
	}
}

func TestNumbersComeBackAsLateAsPossible(t *testing.T) {
	p := newPool(6)
	var got []uint32
	for range 7 {
		n, ok := p.take()
		if !ok {
			t.Fatal("no number left")
		}
		p.free(n)
		got = append(got, n)
	}
	for i, want := range []uint32{2, 3, 4, 5, 6, 2, 3} {
		if got[i] != want {
			t.Errorf("numbers %v", got)
		}
	}
}

func TestHeldNumbersAreNotGiven(t *testing.T) {
	p := newPool(4)
	p.hold(3)
	seen := map[uint32]bool{}
	for range 2 {
		n, ok := p.take()
		if !ok || n == 3 || seen[n] {
			t.Errorf("got %d, %v", n, ok)
		}
		seen[n] = true
	}
	if n, ok := p.take(); ok {
		t.Errorf("got %d from an exhausted pool", n)
	}
	p.free(3)
	if n, ok := p.take(); !ok || n != 3 {
		t.Errorf("got %d, %v; want 3", n, ok)
	}
}
