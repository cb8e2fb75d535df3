// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netlink"

	"crisp/network"
)

// TestRealPlugins runs with the plugins of github.com/containernetworking/plugins (bridge, host-local, bandwidth) in the folder that
// CRISP_TEST_CNI_BIN names.
func TestRealPlugins(t *testing.T) {
	bin := os.Getenv("CRISP_TEST_CNI_BIN")
	if bin == "" {
		t.Skip("CRISP_TEST_CNI_BIN is not set")
	}
	c := config(t)
	c.CNIBinDirs = []string{bin}
	reserved := filepath.Join(t.TempDir(), "host-local")
	configure(t, c, reserved)
	t.Cleanup(func() {
		if l, err := netlink.LinkByName("cnitest0"); err == nil {
			netlink.LinkDel(l)
		}
	})
	m := open(t, c)
	ctx := context.Background()
	for i := range 20 { // the subnet has five addresses
		p := newPod(t, m)
		p.IngressBandwidth = 100 << 20
		res, err := m.Attach(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			serve(t, p, "tcp", ":80")
			conn, err := net.Dial("tcp", netip.AddrPortFrom(res.IPs[0], 80).String())
			if err != nil {
				t.Fatal(err)
			}
			wantEcho(t, conn)
			conn.Close()
			if err := m.Check(ctx, p); err != nil {
				t.Error(err)
			}
		}
		if i%2 == 0 { // DEL without a namespace
			if err := m.RemoveNamespace(ctx, p.ID); err != nil {
				t.Fatal(err)
			}
		}
		if i == 19 { // a daemon that was killed, and its pod with it
			next := open(t, c)
			if err := next.GC(ctx, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(m.Detach(ctx, p), m.RemoveNamespace(ctx, p.ID)); err != nil {
			t.Fatal(err)
		}
	}
	left, err := filepath.Glob(filepath.Join(reserved, "cnitest", "10.*"))
	if err != nil || len(left) != 0 {
		t.Errorf("addresses still reserved: %v, %v", left, err)
	}
}

func configure(t *testing.T, c network.Config, reserved string) {
	t.Helper()
	if err := os.MkdirAll(c.CNIConfDir, 0o755); err != nil {
		t.Fatal(err)
	}
	list := fmt.Sprintf(`{"cniVersion": "1.1.0", "name": "cnitest", "plugins": [
		{"type": "bridge", "bridge": "cnitest0", "isGateway": true, "ipMasq": false,
		 "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "10.250.0.0/29"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
		{"type": "bandwidth", "capabilities": {"bandwidth": true}}]}`, reserved)
	if err := os.WriteFile(filepath.Join(c.CNIConfDir, "10.conflist"), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
}
