// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/network"
)

func TestResolvConfHasWhatTheConfigSays(t *testing.T) {
	got, err := resolvConf(&runtime.DNSConfig{Servers: []string{"10.0.0.1", "fd00::1"}, Searches: []string{"a.svc", "svc"}, Options: []string{"ndots:5"}})
	want := "search a.svc svc\nnameserver 10.0.0.1\nnameserver fd00::1\noptions ndots:5\n"
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestResolvConfIsTheNodesWhenTheConfigSaysNothing(t *testing.T) {
	if got, err := resolvConf(&runtime.DNSConfig{}); got != nil || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestResolvConfRefusesLinesInEntries(t *testing.T) {
	for _, bad := range []string{"10.0.0.1\nnameserver 6.6.6.6", "a\rb", "x\x00", " padded"} {
		for _, d := range []*runtime.DNSConfig{{Servers: []string{bad}}, {Searches: []string{bad}}, {Options: []string{bad}}} {
			if _, err := resolvConf(d); !errors.Is(err, ErrInvalid) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	}
}

func TestHostsNamesThePodAtEachAddress(t *testing.T) {
	got := string(hosts("web", []netip.Addr{netip.MustParseAddr("10.88.0.2"), netip.MustParseAddr("fd00::2")}))
	want := "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.88.0.2\tweb\nfd00::2\tweb\n"
	if got != want {
		t.Errorf("got %q", got)
	}
}

func TestPortMappingsWithoutHostPortAreLeftOut(t *testing.T) {
	got := portMappings([]*runtime.PortMapping{
		{ContainerPort: 80},
		{ContainerPort: 80, HostPort: 8080, HostIp: "127.0.0.1"},
		{ContainerPort: 53, HostPort: 53, Protocol: runtime.Protocol_UDP},
		{ContainerPort: 70000, HostPort: 1},
	})
	want := []network.PortMapping{
		{Protocol: network.TCP, ContainerPort: 80, HostPort: 8080, HostIP: netip.MustParseAddr("127.0.0.1")},
		{Protocol: network.UDP, ContainerPort: 53, HostPort: 53},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestBandwidthReadsQuantities(t *testing.T) {
	for s, want := range map[string]uint64{"": 0, "10M": 10_000_000, "1Gi": 1 << 30, "1.5k": 1500, "7": 7, "x": 0, "-1M": 0, "1e9": 1_000_000_000, "5m": 0, "NaN": 0, "9999999999T": 0} {
		if got := bandwidth(s); got != want {
			t.Errorf("%q = %d, want %d", s, got, want)
		}
	}
}
