// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crisp/network/attachment"
	"crisp/network/internal/isolate"
	"crisp/network/netns"
)

// lab is one bridge network and the namespaces of its pods.
type lab struct {
	testing.TB
	*Network
	dir  string
	cfg  Config
	pins *netns.Pins
}

var labs atomic.Int32

// newLab gives each test a bridge name and subnets of its own. bits is the length of the IPv4 subnet.
func newLab(t testing.TB, bits int) *lab {
	t.Helper()
	isolate.Need(t)
	n := labs.Add(1)
	l := &lab{TB: t, dir: t.TempDir(), cfg: Config{
		Name: fmt.Sprintf("test%d", n),
		IPv4: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(100 + n), 0, 0}), bits),
		IPv6: netip.PrefixFrom(netip.MustParseAddr(fmt.Sprintf("fd00:%x::", n)), 64),
	}}
	var err error
	if l.pins, err = netns.OpenPins(filepath.Join(l.dir, "netns")); err != nil {
		t.Fatal(err)
	}
	l.open()
	t.Cleanup(l.close)
	return l
}

func (l *lab) open() {
	l.Helper()
	var err error
	l.Network, err = Open(Options{Config: l.cfg, Dir: filepath.Join(l.dir, "data"), Log: slog.New(slog.NewTextHandler(l.Output(), nil))})
	if err != nil {
		l.Fatal(err)
	}
}

// kill9 leaves the network as a killed daemon does, and opens it anew.
func (l *lab) kill9() {
	l.Helper()
	l.background.Wait()
	l.closeHandles()
	l.nat.close()
	l.open()
}

// close detaches everything and fails if something is left.
func (l *lab) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, r := range l.standing() {
		if err := l.Detach(ctx, r.ID); err != nil {
			l.Error(err)
		}
	}
	ids, err := l.pins.List()
	if err != nil {
		l.Error(err)
	}
	for _, id := range ids {
		if err := l.pins.Remove(id); err != nil {
			l.Error(err)
		}
	}
	if err := l.pins.Close(); err != nil {
		l.Error(err)
	}
	if err := l.Close(ctx); err != nil {
		l.Error(err)
	}
	left, err := os.ReadDir(filepath.Join(l.dir, "data", l.cfg.Name))
	if err != nil || len(left) != 0 {
		l.Errorf("records left behind: %v, %v", left, err)
	}
}

func newID() string {
	b := make([]byte, 32)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// pod makes a namespace for a pod with the given ports ("tcp 127.0.0.1:8080 80").
func (l *lab) pod(ports ...string) attachment.Pod {
	l.Helper()
	id := newID()
	path, err := l.pins.New(id)
	if err != nil {
		l.Fatal(err)
	}
	p := attachment.Pod{ID: id, Name: "web", Namespace: "default", NetNS: path}
	for _, s := range ports {
		p.PortMappings = append(p.PortMappings, l.mapping(s))
	}
	return p
}

func (l *lab) mapping(s string) attachment.PortMapping {
	l.Helper()
	proto, rest, _ := strings.Cut(s, " ")
	from, to, _ := strings.Cut(rest, " ")
	var m attachment.PortMapping
	m.Protocol = attachment.Protocol(proto)
	if ap, err := netip.ParseAddrPort(from); err == nil {
		m.HostIP, m.HostPort = ap.Addr(), ap.Port()
	} else if _, err := fmt.Sscan(from, &m.HostPort); err != nil {
		l.Fatal(err)
	}
	if _, err := fmt.Sscan(to, &m.ContainerPort); err != nil {
		l.Fatal(err)
	}
	return m
}

func (l *lab) attach(p attachment.Pod) attachment.Result {
	l.Helper()
	res, err := l.Attach(context.Background(), p)
	if err != nil {
		l.Fatal(err)
	}
	return res
}

func (l *lab) detach(p attachment.Pod) {
	l.Helper()
	if err := l.Detach(context.Background(), p.ID); err != nil {
		l.Fatal(err)
	}
}

// in runs f inside the pod's namespace; sockets that it makes stay there.
func (l *lab) in(p attachment.Pod, f func() error) {
	l.Helper()
	ns, err := netns.Open(p.NetNS)
	if err != nil {
		l.Fatal(err)
	}
	defer ns.Close()
	if err := netns.Enter(ns, f); err != nil {
		l.Fatal(err)
	}
}

// serve answers each TCP connection to the pod's port with what, and the client's address.
func (l *lab) serve(p attachment.Pod, port int, what string) {
	l.Helper()
	l.in(p, func() error {
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		l.Cleanup(func() { listener.Close() })
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				fmt.Fprintf(c, "%s %s", what, c.RemoteAddr().(*net.TCPAddr).IP)
				c.Close()
			}
		}()
		return nil
	})
}

// serveUDP answers each datagram to the pod's port with what.
func (l *lab) serveUDP(p attachment.Pod, port int, what string) {
	l.Helper()
	l.in(p, func() error {
		c, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		l.Cleanup(func() { c.Close() })
		go func() {
			buf := make([]byte, 100)
			for {
				_, from, err := c.ReadFrom(buf)
				if err != nil {
					return
				}
				c.WriteTo([]byte(what), from)
			}
		}()
		return nil
	})
}

// patience is how long an answer is awaited, and silence how long none.
const (
	patience = 2 * time.Second
	silence  = 200 * time.Millisecond
)

// ask connects from where it is called and gives the answer.
func ask(addr string, wait time.Duration) (string, error) {
	c, err := net.DialTimeout("tcp", addr, wait)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(wait))
	b, err := io.ReadAll(c)
	return string(b), err
}

// askUDP asks by the given socket.
func askUDP(c net.Conn) (string, error) {
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("?")); err != nil {
		return "", err
	}
	b := make([]byte, 100)
	n, err := c.Read(b)
	return string(b[:n]), err
}

// wantAnswer fails unless the answer to a connection begins with want.
func (l *lab) wantAnswer(addr, want string) string {
	l.Helper()
	got, err := ask(addr, patience)
	if err != nil || !strings.HasPrefix(got, want) {
		l.Errorf("connect to %s: %q, %v; want %s", addr, got, err, want)
	}
	return got
}

func (l *lab) wantNoAnswer(addr string) {
	l.Helper()
	if got, err := ask(addr, silence); err == nil {
		l.Errorf("connect to %s: answered %q", addr, got)
	}
}

func addrPort(a netip.Addr, port uint16) string { return netip.AddrPortFrom(a, port).String() }
