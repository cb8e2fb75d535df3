// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"crisp/network"
	"crisp/network/internal/isolate"
	"crisp/network/netns"
)

// config is one for a test of its own: nothing of it is shared but the name of the bridge, as tests run one by one.
func config(t testing.TB) network.Config {
	t.Helper()
	isolate.Need(t)
	dir := t.TempDir()
	return network.Config{
		CNIConfDir: filepath.Join(dir, "net.d"), CNIBinDirs: []string{filepath.Join(dir, "bin")},
		StateDir: filepath.Join(dir, "state"), DataDir: filepath.Join(dir, "data"),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func open(t testing.TB, c network.Config) *network.Manager {
	t.Helper()
	m, err := network.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ids, err := m.Namespaces()
		if err != nil {
			t.Error(err)
		}
		for _, id := range ids {
			if err := errors.Join(m.Detach(context.Background(), network.Pod{ID: id}), m.RemoveNamespace(context.Background(), id)); err != nil {
				t.Error(err)
			}
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func newID() string {
	b := make([]byte, 32)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func newPod(t testing.TB, m *network.Manager) network.Pod {
	t.Helper()
	p := network.Pod{ID: newID(), Name: "web-0", Namespace: "default", UID: "c0ffee"}
	var err error
	if p.NetNS, err = m.NewNamespace(context.Background(), p.ID); err != nil {
		t.Fatal(err)
	}
	return p
}

// serve echoes TCP in the pod.
func serve(t testing.TB, p network.Pod, network, addr string) {
	t.Helper()
	ns, err := netns.Open(p.NetNS)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	var l net.Listener
	err = netns.Enter(ns, func() error {
		l, err = net.Listen(network, addr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
}

func wantEcho(t testing.TB, c net.Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 5)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Error(err)
	} else if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Errorf("echo: %q, %v", b, err)
	}
}

func TestAPodsWholeLifeOnTheEmbeddedNetwork(t *testing.T) {
	m := open(t, config(t))
	ctx := context.Background()
	if err := m.Status(); err != nil {
		t.Fatal(err)
	}
	p := newPod(t, m)
	p.PortMappings = []network.PortMapping{{ContainerPort: 80, HostPort: 8080}, {ContainerPort: 81}}
	res, err := m.Attach(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.IPs) != 2 || !netip.MustParsePrefix("10.91.0.0/16").Contains(res.IPs[0]) {
		t.Errorf("result %+v, want an address of the default subnet first", res)
	}
	serve(t, p, "tcp", ":80")
	for _, addr := range []string{netip.AddrPortFrom(res.IPs[0], 80).String(), netip.AddrPortFrom(res.IPs[1], 80).String(), "127.0.0.1:8080"} {
		c, err := net.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			t.Error(err)
			continue
		}
		wantEcho(t, c)
		c.Close()
	}
	if err := m.Check(ctx, p); err != nil {
		t.Error(err)
	}
	again, err := m.Attach(ctx, p)
	if err != nil || !slices.Equal(again.IPs, res.IPs) {
		t.Errorf("attached again: %v, %v; want %v", again, err, res)
	}
	for range 2 {
		if err := errors.Join(m.Detach(ctx, p), m.RemoveNamespace(ctx, p.ID)); err != nil {
			t.Error(err)
		}
	}
	if err := m.Check(ctx, p); !errors.Is(err, network.ErrNotAttached) {
		t.Errorf("check of a detached pod: %v", err)
	}
}

func TestRestartKeepsPodsAndGCReleasesDeadOnes(t *testing.T) {
	c := config(t)
	ctx := context.Background()
	first := open(t, c)
	alive, dead := newPod(t, first), newPod(t, first)
	for _, p := range []network.Pod{alive, dead} {
		if _, err := first.Attach(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	serve(t, alive, "tcp", ":80")
	// As if killed: the first manager is not closed.
	second, err := network.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	fresh := newPod(t, second)
	if _, err := second.Attach(ctx, fresh); err != nil {
		t.Fatal(err)
	}
	if err := second.GC(ctx, []string{alive.ID}); err != nil {
		t.Fatal(err)
	}
	if err := second.Check(ctx, dead); !errors.Is(err, network.ErrNotAttached) {
		t.Errorf("the dead pod: %v, want ErrNotAttached", err)
	}
	for name, p := range map[string]network.Pod{"live": alive, "new": fresh} {
		if err := second.Check(ctx, p); err != nil {
			t.Errorf("the %s pod: %v", name, err)
		}
	}
	ids, err := second.Namespaces()
	if err != nil || len(ids) != 3 {
		t.Errorf("namespaces %v, %v; want all three: they are the caller's", ids, err)
	}
	for _, p := range []network.Pod{alive, fresh} {
		if err := second.Detach(ctx, p); err != nil {
			t.Error(err)
		}
	}
}

func TestStatusWithoutAnyNetwork(t *testing.T) {
	c := config(t)
	c.Bridge.Disabled = true
	m := open(t, c)
	if err := m.Status(); !errors.Is(err, network.ErrNotConfigured) {
		t.Errorf("status %v, want ErrNotConfigured", err)
	}
	p := newPod(t, m)
	if _, err := m.Attach(context.Background(), p); !errors.Is(err, network.ErrNotConfigured) {
		t.Errorf("attach %v, want ErrNotConfigured", err)
	}
}

func TestInvalidBridgeIsRefused(t *testing.T) {
	for name, b := range map[string]network.BridgeConfig{
		"long name":        {Name: "abcdefghijklmnop"},
		"name with slash":  {Name: "a/b"},
		"name of dots":     {Name: ".."},
		"IPv6 as IPv4":     {IPv4: netip.MustParsePrefix("fd00::/64")},
		"IPv4 as IPv6":     {IPv6: netip.MustParsePrefix("10.0.0.0/8")},
		"tiny IPv4":        {IPv4: netip.MustParsePrefix("10.0.0.0/31")},
		"IPv6 too small":   {IPv6: netip.MustParsePrefix("fd00::/120")},
		"MTU out of range": {MTU: 100},
	} {
		c := config(t)
		c.Bridge = b
		if m, err := network.New(c); err == nil {
			t.Errorf("%s: accepted", name)
			m.Close()
		}
	}
}

func TestDialReachesBothLoopbacks(t *testing.T) {
	m := open(t, config(t))
	p := newPod(t, m)
	serve(t, p, "tcp4", "127.0.0.1:80")
	serve(t, p, "tcp6", "[::1]:81")
	for _, port := range []int32{80, 81} {
		c, err := network.Dial(context.Background(), p.NetNS, port)
		if err != nil {
			t.Errorf("port %d: %v", port, err)
			continue
		}
		wantEcho(t, c)
		c.Close()
	}
	for _, port := range []int32{82, 0, -1, 65536} {
		if c, err := network.Dial(context.Background(), p.NetNS, port); err == nil {
			t.Errorf("port %d: connected", port)
			c.Close()
		}
	}
	if _, err := network.Dial(context.Background(), p.NetNS+"gone", 80); !errors.Is(err, network.ErrNoNamespace) {
		t.Errorf("a namespace that does not exist: %v", err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := network.Dial(context.Background(), "", int32(l.Addr().(*net.TCPAddr).Port))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// A listener with a full queue drops what comes: connect(2) would wait two minutes.
func TestDialEndsWithItsContext(t *testing.T) {
	m := open(t, config(t))
	p := newPod(t, m)
	ns, err := netns.Open(p.NetNS)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if err := netns.Enter(ns, fullListener(t)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	for {
		c, err := network.Dial(ctx, p.NetNS, 80)
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want the context's", err)
			}
			break
		}
		defer c.Close()
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestStatsCountThePodsTraffic(t *testing.T) {
	m := open(t, config(t))
	p := newPod(t, m)
	res, err := m.Attach(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, p, "tcp", ":80")
	c, err := net.Dial("tcp", netip.AddrPortFrom(res.IPs[0], 80).String())
	if err != nil {
		t.Fatal(err)
	}
	wantEcho(t, c)
	c.Close()
	stats, err := network.Stats(p.NetNS)
	if err != nil || len(stats) != 1 || stats[0].Name != "eth0" || stats[0].RxBytes == 0 || stats[0].TxPackets == 0 {
		t.Errorf("stats %+v, %v", stats, err)
	}
	if _, err := network.Stats(""); err != nil {
		t.Error(err)
	}
}

func TestCallsForOnePodWaitForEachOther(t *testing.T) {
	m := open(t, config(t))
	ctx := context.Background()
	p := newPod(t, m)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = m.Attach(ctx, p)
			} else {
				err = m.Detach(ctx, p)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestPodsInParallelGetDifferentAddresses(t *testing.T) {
	m := open(t, config(t))
	ctx := context.Background()
	var mu sync.Mutex
	seen := map[netip.Addr]bool{}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			p := network.Pod{ID: newID()}
			var err error
			if p.NetNS, err = m.NewNamespace(ctx, p.ID); err != nil {
				t.Error(err)
				return
			}
			p.PortMappings = []network.PortMapping{{ContainerPort: 80, HostPort: uint16(9000 + i)}}
			res, err := m.Attach(ctx, p)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, ip := range res.IPs {
				if seen[ip] {
					t.Errorf("address %s was given twice", ip)
				}
				seen[ip] = true
			}
		})
	}
	wg.Wait()
}

func TestThreadsDoNotGrow(t *testing.T) {
	m := open(t, config(t))
	p := newPod(t, m)
	serve(t, p, "tcp4", "127.0.0.1:80")
	work := func() {
		for range 100 {
			c, err := network.Dial(context.Background(), p.NetNS, 80)
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			if _, err := network.Stats(p.NetNS); err != nil {
				t.Fatal(err)
			}
		}
	}
	work()
	before := threads(t)
	work()
	if after := threads(t); after > before+2 {
		t.Errorf("%d threads before, %d after", before, after)
	}
}

func threads(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}

// BenchmarkPodUp is what the network takes of a pod's start, while no other pod goes: the kernel's work on those that go is
// most of what can hold a start up.
func BenchmarkPodUp(b *testing.B) {
	for _, ports := range []int{0, 1} {
		b.Run(fmt.Sprintf("%d host ports", ports), func(b *testing.B) {
			m := open(b, config(b))
			if err := m.Status(); err != nil {
				b.Fatal(err)
			}
			var namespaces, attachments []time.Duration
			for b.Loop() {
				p := network.Pod{ID: newID()}
				for i := range ports {
					p.PortMappings = append(p.PortMappings, network.PortMapping{ContainerPort: 80, HostPort: uint16(10000 + len(attachments) + i)})
				}
				start := time.Now()
				var err error
				if p.NetNS, err = m.NewNamespace(b.Context(), p.ID); err != nil {
					b.Fatal(err)
				}
				middle := time.Now()
				if _, err := m.Attach(b.Context(), p); err != nil {
					b.Fatal(err)
				}
				namespaces, attachments = append(namespaces, middle.Sub(start)), append(attachments, time.Since(middle))
			}
			b.ReportMetric(median(namespaces), "ms/namespace")
			b.ReportMetric(median(attachments), "ms/attach")
		})
	}
}

// BenchmarkEightPodsUp starts eight at once, as after a deployment.
func BenchmarkEightPodsUp(b *testing.B) {
	m := open(b, config(b))
	if err := m.Status(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				p := network.Pod{ID: newID()}
				var err error
				if p.NetNS, err = m.NewNamespace(b.Context(), p.ID); err == nil {
					_, err = m.Attach(b.Context(), p)
				}
				if err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2].Microseconds()) / 1000
}

func BenchmarkPodDown(b *testing.B) {
	m := open(b, config(b))
	ctx := context.Background()
	for b.Loop() {
		b.StopTimer()
		p := newPod(b, m)
		p.PortMappings = []network.PortMapping{{ContainerPort: 80, HostPort: 8080}}
		if _, err := m.Attach(ctx, p); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := errors.Join(m.Detach(ctx, p), m.RemoveNamespace(ctx, p.ID)); err != nil {
			b.Fatal(err)
		}
	}
}
