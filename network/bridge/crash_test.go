// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"crisp/network/attachment"
)

var attachPoints = []string{afterRecord, afterVeth, afterAddress, afterPorts}

// crashAt has the daemon die at a point.
func (l *lab) crashAt(point string) {
	l.fail = func(p string) error {
		if p == point {
			return errCrash
		}
		return nil
	}
}

func TestAnAttachmentThatWasKilledIsFinished(t *testing.T) {
	for _, point := range attachPoints {
		t.Run(point, func(t *testing.T) {
			l := newLab(t, 24)
			p := l.pod("tcp 8090 80")
			l.crashAt(point)
			if _, err := l.Attach(t.Context(), p); !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			l.kill9()
			res := l.attach(p)
			l.serve(p, 80, "pod")
			for _, ip := range res.IPs {
				l.wantAnswer(addrPort(ip, 80), "pod")
			}
			l.wantAnswer("127.0.0.1:8090", "pod")
			if err := l.Check(t.Context(), p); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnAttachmentThatWasKilledIsReleasedByGC(t *testing.T) {
	for _, point := range attachPoints {
		t.Run(point, func(t *testing.T) {
			l := newLab(t, 24)
			p, live := l.pod("tcp 8090 80"), l.pod()
			l.attach(live)
			l.crashAt(point)
			if _, err := l.Attach(t.Context(), p); !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			l.kill9()
			if err := l.GC(t.Context(), map[string]bool{live.ID: true}); err != nil {
				t.Fatal(err)
			}
			if err := l.Check(t.Context(), live); err != nil {
				t.Error(err)
			}
			l.wantNothingOf(p)
		})
	}
}

// wantNothingOf fails if anything of the pod is left: interface, record, port.
func (l *lab) wantNothingOf(p attachment.Pod) {
	l.Helper()
	if _, err := l.prepare(); err != nil {
		l.Fatal(err)
	}
	if err := l.reaper.flush(l.Context()); err != nil {
		l.Error(err)
	}
	if _, err := netlink.LinkByName(hostLinkName(p.ID)); !isGone(err) {
		l.Errorf("interface %s: %v", hostLinkName(p.ID), err)
	}
	if _, err := os.Lstat(l.files.path(p.ID)); !errors.Is(err, os.ErrNotExist) {
		l.Errorf("record: %v", err)
	}
	if got := l.portsInKernel(); slices.Contains(got, comment(record{ID: p.ID, Pod: "default/web"})) {
		l.Errorf("host ports in the kernel: %q", got)
	}
}

func TestADetachmentThatWasKilledIsFinished(t *testing.T) {
	l := newLab(t, 24)
	p := l.pod("tcp 8091 80")
	l.attach(p)
	l.crashAt(afterRelease)
	if err := l.Detach(t.Context(), p.ID); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	l.kill9()
	l.wantNothingOf(p)
}

func TestAFailedAttachmentLeavesNothing(t *testing.T) {
	for _, point := range attachPoints[1:] {
		t.Run(point, func(t *testing.T) {
			l := newLab(t, 24)
			p := l.pod("tcp 8092 80")
			l.fail = func(at string) error {
				if at == point {
					return errors.New("injected")
				}
				return nil
			}
			if _, err := l.Attach(t.Context(), p); err == nil {
				t.Fatal("it succeeded")
			}
			l.wantNothingOf(p)
			l.fail = func(string) error { return nil }
			l.attach(p)
		})
	}
}

// The namespace is gone, as after a reboot, and the kernel has nothing of ours.
func TestAfterAReboot(t *testing.T) {
	l := newLab(t, 24)
	p := l.pod("tcp 8093 80", "udp 8093 80")
	l.attach(p)
	if err := l.pins.Remove(p.ID); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(removeLink(l.host, l.cfg.Name), l.nat.destroy()); err != nil {
		t.Fatal(err)
	}
	l.kill9()
	if err := l.Check(t.Context(), p); err == nil {
		t.Error("check says that the pod is attached")
	}
	l.detach(p)
	l.detach(p)
	q := l.pod("tcp 8093 80")
	l.attach(q)
	l.serve(q, 80, "pod-q")
	l.wantAnswer("127.0.0.1:8093", "pod-q")
}

func TestNoAddressLeaksOverManyCycles(t *testing.T) {
	l := newLab(t, 29) // five pods
	for i := range 200 {
		p := l.pod("tcp 8094 80")
		switch i % 4 {
		case 0: // the plain way
			l.attach(p)
		case 1: // killed half-way
			l.crashAt(attachPoints[i/4%len(attachPoints)])
			if _, err := l.Attach(t.Context(), p); !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			l.kill9()
		case 2: // the namespace goes first
			l.attach(p)
			if err := l.pins.Remove(p.ID); err != nil {
				t.Fatal(err)
			}
		case 3: // killed while detaching
			l.attach(p)
			l.crashAt(afterRelease)
			if err := l.Detach(t.Context(), p.ID); !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			l.kill9()
		}
		l.detach(p)
		if err := l.pins.Remove(p.ID); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		l.attach(l.pod())
	}
	if _, err := l.Attach(t.Context(), l.pod()); !errors.Is(err, ErrNoAddress) {
		t.Errorf("a sixth pod in a /29: %v, want ErrNoAddress", err)
	}
}

func TestAnAddressIsNotGivenBeforeItsInterfaceIsGone(t *testing.T) {
	l := newLab(t, 30) // one pod
	a, b := l.pod(), l.pod()
	first := l.attach(a)
	l.detach(a) // its namespace stays, and with it the veth
	second := l.attach(b)
	if !slices.Equal(first.IPs, second.IPs) {
		t.Fatalf("addresses %v and %v, want the same", first.IPs, second.IPs)
	}
	if _, err := netlink.LinkByName(hostLinkName(a.ID)); !isGone(err) {
		t.Errorf("the first pod's interface: %v", err)
	}
	l.serve(b, 80, "pod-b")
	l.wantAnswer(addrPort(second.IPs[0], 80), "pod-b")
}

func TestAPodThatComesBackAtOnce(t *testing.T) {
	l := newLab(t, 24)
	p := l.pod()
	for range 5 {
		res := l.attach(p)
		if err := l.Check(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		l.serve(p, 80, "pod")
		l.wantAnswer(addrPort(res.IPs[0], 80), "pod")
		l.detach(p)
		p2, err := l.pins.New(newID())
		if err != nil {
			t.Fatal(err)
		}
		p.NetNS = p2
	}
}

func TestPortsInUseAreRefusedAndFreedByDetach(t *testing.T) {
	l := newLab(t, 24)
	a, b := l.pod("tcp 8095 80"), l.pod("tcp 8096 80", "tcp 8095 80")
	l.attach(a)
	if _, err := l.Attach(t.Context(), b); !errors.Is(err, ErrPortInUse) {
		t.Fatalf("%v, want ErrPortInUse", err)
	}
	l.attach(l.pod("tcp 8096 80")) // b must not hold it
	l.attach(l.pod("udp 8095 80")) // another protocol
	l.detach(a)
	b.PortMappings = b.PortMappings[1:]
	l.attach(b)
}

func TestImpossiblePortsAreRefused(t *testing.T) {
	l := newLab(t, 24)
	for _, ports := range [][]string{{"tcp 80 0"}, {"icmp 80 80"}, {"tcp 80 80", "tcp 80 81"}, {"tcp [::1]:80 80"}} {
		if _, err := l.Attach(t.Context(), l.pod(ports...)); !errors.Is(err, ErrInvalidPort) {
			t.Errorf("%q: %v, want ErrInvalidPort", ports, err)
		}
	}
	if len(l.standing()) != 0 {
		t.Error("a refused pod holds something")
	}
}

func TestSomebodyElsesEth0StaysAndIsAnError(t *testing.T) {
	l := newLab(t, 24)
	p := l.neighbour("192.0.2.1/24", "192.0.2.2/24")
	if _, err := l.Attach(t.Context(), p); !errors.Is(err, ErrInterfaceInUse) {
		t.Fatalf("%v, want ErrInterfaceInUse", err)
	}
	l.in(p, func() error {
		_, err := netlink.LinkByName("eth0")
		return err
	})
}

func TestADeletedBridgeIsMadeAgain(t *testing.T) {
	l := newLab(t, 24)
	l.attach(l.pod())
	if err := removeLink(l.host, l.cfg.Name); err != nil {
		t.Fatal(err)
	}
	p := l.pod()
	res := l.attach(p)
	l.serve(p, 80, "pod")
	l.wantAnswer(addrPort(res.IPs[0], 80), "pod")
}

func TestAFlushedTableIsBuiltAgain(t *testing.T) {
	l := newLab(t, 24)
	a, b := l.pod("tcp 8097 80"), l.pod("tcp 8098 80")
	l.attach(a)
	if err := l.nat.destroy(); err != nil {
		t.Fatal(err)
	}
	if err := l.Check(t.Context(), a); !errors.Is(err, attachment.ErrNotAttached) {
		t.Errorf("check without the table: %v", err)
	}
	l.attach(b)
	l.serve(a, 80, "pod-a")
	l.serve(b, 80, "pod-b")
	l.wantAnswer("127.0.0.1:8097", "pod-a")
	l.wantAnswer("127.0.0.1:8098", "pod-b")
	if err := l.nat.destroy(); err != nil {
		t.Fatal(err)
	}
	l.setup.mu.Lock()
	l.setup.checked = l.setup.checked.Add(-2 * recheckEvery)
	l.setup.mu.Unlock()
	if err := l.Ready(); err != nil {
		t.Fatal(err)
	}
	l.background.Wait()
	l.wantAnswer("127.0.0.1:8097", "pod-a")
	if err := l.nat.destroy(); err != nil {
		t.Fatal(err)
	}
	l.detach(a)
}

func TestTwoNetworksSideBySide(t *testing.T) {
	one, two := newLab(t, 24), newLab(t, 24)
	a, b := one.pod("tcp 8100 80"), two.pod("tcp 8101 80")
	ra := one.attach(a)
	two.attach(b)
	one.serve(a, 80, "pod-a")
	two.serve(b, 80, "pod-b")
	one.wantAnswer("127.0.0.1:8100", "pod-a")
	one.wantAnswer("127.0.0.1:8101", "pod-b")
	two.in(b, func() error { two.wantAnswer(addrPort(ra.IPs[0], 80), "pod-a"); return nil })
	if err := two.GC(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	one.wantAnswer("127.0.0.1:8100", "pod-a")
}

func TestASubnetThatIsTakenIsRefused(t *testing.T) {
	l := newLab(t, 24)
	l.neighbour("192.0.2.1/24", "192.0.2.2/24")
	other := &lab{TB: t, dir: t.TempDir(), cfg: l.cfg, pins: l.pins}
	other.cfg.Name, other.cfg.IPv4 = "taken", ipv4("192.0.2.128/25")
	other.open()
	defer other.Close(t.Context())
	if err := other.Ready(); !errors.Is(err, ErrSubnetInUse) {
		t.Errorf("%v, want ErrSubnetInUse", err)
	}
}

func TestANameThatIsTakenIsRefused(t *testing.T) {
	l := newLab(t, 24)
	l.neighbour("192.0.2.1/24", "192.0.2.2/24")
	other := &lab{TB: t, dir: t.TempDir(), cfg: l.cfg, pins: l.pins}
	other.cfg.Name = "uplink"
	other.open()
	defer other.Close(t.Context())
	if err := other.Ready(); !errors.Is(err, ErrNotABridge) {
		t.Errorf("%v, want ErrNotABridge", err)
	}
}

func TestTornRecordsAreDropped(t *testing.T) {
	l := newLab(t, 24)
	p := l.pod()
	res := l.attach(p)
	for name, content := range map[string]string{
		newID() + ".json": "", newID() + ".json ": "{}", "README": "hello",
		newID() + ".json\n": `{"version":1`, newID() + ".json2": fmt.Sprintf(`{"version":1,"id":%q,"ipv4":"10.0.0.1"}`, newID()),
	} {
		if err := os.WriteFile(filepath.Join(l.files.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.kill9()
	if again := l.attach(p); !slices.Equal(again.IPs, res.IPs) {
		t.Errorf("addresses %v, before %v", again.IPs, res.IPs)
	}
	if left, err := os.ReadDir(l.files.dir); err != nil || len(left) != 1 {
		t.Errorf("files %v, %v; want the one good record", left, err)
	}
}

func TestWithoutIPv6(t *testing.T) {
	setForTest(t, "/proc/sys/net/ipv6/conf/all/disable_ipv6", "1")
	l := newLab(t, 24)
	p := l.pod("tcp 8102 80")
	res := l.attach(p)
	if len(res.IPs) != 1 || !res.IPs[0].Is4() {
		t.Errorf("addresses %v, want one of IPv4", res.IPs)
	}
	l.serve(p, 80, "pod")
	l.wantAnswer("127.0.0.1:8102", "pod")
	if _, err := l.Attach(t.Context(), l.pod("tcp [2001:db8::1]:8103 80")); !errors.Is(err, ErrInvalidPort) {
		t.Errorf("a host port of an IPv6 address: %v, want ErrInvalidPort", err)
	}
}

func TestIPv6OffInNewInterfaces(t *testing.T) {
	setForTest(t, "/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
	l := newLab(t, 24)
	p := l.pod()
	res := l.attach(p)
	l.serve(p, 80, "pod")
	l.wantAnswer(addrPort(res.IPs[1], 80), "pod")
}

func TestForwardingKeepsRouterAdvertisements(t *testing.T) {
	l := newLab(t, 24)
	setForTest(t, "/proc/sys/net/ipv6/conf/all/forwarding", "0")
	l.neighbour("192.0.2.1/24", "192.0.2.2/24")
	l.attach(l.pod())
	for name, want := range map[string]string{"uplink": "2", l.cfg.Name: "0"} {
		if got, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + name + "/accept_ra"); err != nil || string(got) != want+"\n" {
			t.Errorf("accept_ra of %s: %q, %v; want %s", name, got, err, want)
		}
	}
}
