// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"crisp/network/attachment"
	"crisp/network/netns"
)

func TestAttachAndDetach(t *testing.T) {
	l := newLab(t)
	l.write("10-test.conflist", l.conflist("1.0.0", ""))
	p := l.pod()
	res := l.attach(p)
	want := []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")}
	if !slices.Equal(res.IPs, want) {
		t.Errorf("addresses %v, want %v: those inside the pod, in the plugin's order", res.IPs, want)
	}
	if len(res.Interfaces) != 1 || res.Interfaces[0].Name != "eth0" || len(res.Interfaces[0].Addresses) != 2 {
		t.Errorf("interfaces %+v", res.Interfaces)
	}
	c := l.wantCommands("ADD")[0]
	if c.ID != p.ID || c.NetNS != p.NetNS || c.IfName != "eth0" || c.Path != l.options.BinDirs[0] {
		t.Errorf("call %+v", c)
	}
	args := "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=" + p.ID + ";K8S_POD_UID=c0ffee"
	if c.Args != args {
		t.Errorf("CNI_ARGS %q, want %q", c.Args, args)
	}
	if err := l.Check(t.Context(), p); err != nil {
		t.Error(err)
	}
	l.wantCommands("CHECK")
	l.detach(p)
	if c := l.wantCommands("DEL")[0]; c.NetNS != p.NetNS || c.Conf.PrevResult == nil {
		t.Errorf("DEL got namespace %q and result %v", c.NetNS, c.Conf.PrevResult)
	}
	l.detach(p)
	l.wantCommands()
	l.wantReserved(0)
	l.wantNoFiles()
	if err := l.Check(t.Context(), p); !errors.Is(err, attachment.ErrNotAttached) {
		t.Errorf("check of a detached pod: %v", err)
	}
}

func TestCapabilitiesGoToThePluginsThatDeclareThem(t *testing.T) {
	l := newLab(t)
	l.install("chained")
	l.write("10.conflist", fmt.Sprintf(`{"cniVersion": "1.0.0", "name": "testnet", "plugins": [
		{"type": "fake", "dir": %q, "capabilities": {"ips": true, "cgroupPath": true}},
		{"type": "chained", "dir": %q, "capabilities": {"portMappings": true, "bandwidth": true, "dns": true, "io.kubernetes.cri.pod-annotations": true}}]}`, l.plugin, l.plugin))
	p := l.pod()
	p.PortMappings = []attachment.PortMapping{
		{ContainerPort: 80, HostPort: 8080},
		{ContainerPort: 81},
		{ContainerPort: 53, HostPort: 53, Protocol: attachment.UDP, HostIP: netip.MustParseAddr("::1")},
	}
	p.IngressBandwidth, p.EgressBandwidth = 1000, 2000
	p.IPs = []netip.Addr{netip.MustParseAddr("10.0.0.5")}
	p.DNS.Servers = []string{"10.96.0.10"}
	p.CgroupParent = "/kubepods/x"
	p.Annotations = map[string]string{"a": "b"}
	l.attach(p)
	calls := l.wantCommands("ADD", "ADD")
	wantJSON(t, calls[0].Conf.RuntimeConfig, `{"ips": ["10.0.0.5"], "cgroupPath": "/kubepods/x"}`)
	wantJSON(t, calls[1].Conf.RuntimeConfig, `{
		"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
			{"hostPort": 53, "containerPort": 53, "protocol": "udp", "hostIP": "::1"}],
		"bandwidth": {"ingressRate": 1000, "ingressBurst": 2147483647, "egressRate": 2000, "egressBurst": 2147483647},
		"dns": {"servers": ["10.96.0.10"], "searches": null, "options": null},
		"io.kubernetes.cri.pod-annotations": {"a": "b"}}`)
	l.kill9()
	l.detach(p)
	calls = l.wantCommands("DEL", "DEL")
	if calls[0].Plugin != "chained" || calls[1].Plugin != "fake" {
		t.Errorf("DEL called %s, %s; want the reverse of ADD", calls[0].Plugin, calls[1].Plugin)
	}
	wantJSON(t, calls[1].Conf.RuntimeConfig, `{"ips": ["10.0.0.5"], "cgroupPath": "/kubepods/x"}`)
}

func wantJSON(t *testing.T, got any, want string) {
	t.Helper()
	var w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(got); err != nil || !reflect.DeepEqual(got, w) {
		t.Errorf("got %s, %v\nwant %s", b, err, want)
	}
}

func TestArgumentsThatWouldAddOthersAreRefused(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", l.conflist("1.0.0", ""))
	p := l.pod()
	p.Name = "web;K8S_POD_NAMESPACE=kube-system"
	if _, err := l.Attach(t.Context(), p); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("%v, want ErrInvalidArgument", err)
	}
	l.wantCommands()
	l.wantNoFiles()
}

func TestANamespaceThatIsGoneIsAnError(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", l.conflist("1.0.0", ""))
	p := l.pod()
	if err := l.pins.Remove(p.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Attach(t.Context(), p); !errors.Is(err, netns.ErrNoNamespace) {
		t.Errorf("%v, want ErrNoNamespace", err)
	}
	l.wantCommands()
	l.wantNoFiles()
}

func TestAttachingTwiceAddsOnce(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", l.conflist("1.0.0", ""))
	p := l.pod()
	first := l.attach(p)
	l.kill9()
	second := l.attach(p)
	if !reflect.DeepEqual(first, second) {
		t.Errorf("first %+v, second %+v", first, second)
	}
	l.wantCommands("ADD")
}

func TestAFailedAddIsUndone(t *testing.T) {
	for _, how := range []string{"fail ADD", "garbage ADD"} {
		l := newLab(t)
		l.write("10.conflist", l.conflist("1.0.0", ""))
		p := l.pod()
		cancel := l.order(how)
		_, err := l.Attach(t.Context(), p)
		if err == nil {
			t.Fatalf("%s: it succeeded", how)
		}
		want := map[string]string{"fail ADD": "try again later; by order", "garbage ADD": "Segmentation fault"}[how]
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %q does not say what the plugin said, %q", how, err, want)
		}
		l.wantCommands("ADD", "DEL")
		l.wantNoFiles()
		cancel()
		l.attach(p)
	}
}

func TestADelThatFailsIsTriedAgain(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", l.conflist("1.0.0", ""))
	p := l.pod()
	l.attach(p)
	cancel := l.order("fail DEL")
	if err := l.Detach(t.Context(), p.ID); err == nil {
		t.Fatal("it succeeded")
	}
	l.kill9()
	if !l.Has(p.ID) {
		t.Fatal("the attachment is forgotten")
	}
	cancel()
	l.detach(p)
	l.wantReserved(0)
	l.wantNoFiles()
}

func TestDelUsesTheConfigurationOfAdd(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", l.conflist("1.0.0", ""))
	p := l.pod()
	l.attach(p)
	l.remove("10.conflist")
	if err := l.pins.Remove(p.ID); err != nil {
		t.Fatal(err)
	}
	l.kill9()
	l.calls()
	l.detach(p)
	if c := l.wantCommands("DEL")[0]; c.NetNS != "" || c.Conf.Name != "testnet" {
		t.Errorf("call %+v, want no namespace: it is gone", c)
	}
	l.wantReserved(0)
}

func TestAnAttachmentThatWasKilledIsUndoneAndMadeAgain(t *testing.T) {
	for _, point := range []string{afterRecord, afterAdd} {
		l := newLab(t)
		l.write("10.conflist", l.conflist("1.0.0", ""))
		p := l.pod()
		l.crashAt(point)
		if _, err := l.Attach(t.Context(), p); !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		l.kill9()
		l.attach(p)
		l.wantReserved(1)
		l.crashAt(afterDel)
		if err := l.Detach(t.Context(), p.ID); !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		l.kill9()
		l.detach(p)
		l.wantReserved(0)
		l.wantNoFiles()
	}
}

func (l *lab) crashAt(point string) {
	l.fail = func(p string) error {
		if p == point {
			return errCrash
		}
		return nil
	}
}

func TestNoAddressLeaksOverManyCycles(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", l.conflist("1.1.0", ""))
	for i := range 120 {
		p := l.pod()
		switch i % 4 {
		case 0:
			l.attach(p)
		case 1:
			l.crashAt([]string{afterRecord, afterAdd}[i/4%2])
			if _, err := l.Attach(t.Context(), p); !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			l.kill9()
			if err := l.GC(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		case 2:
			cancel := l.order("fail DEL")
			l.attach(p)
			if err := l.Detach(t.Context(), p.ID); err == nil {
				t.Fatal("DEL succeeded")
			}
			cancel()
		case 3:
			l.attach(p)
			if err := l.pins.Remove(p.ID); err != nil {
				t.Fatal(err)
			}
		}
		l.detach(p)
		if err := l.pins.Remove(p.ID); err != nil {
			t.Fatal(err)
		}
	}
	l.wantReserved(0)
	l.wantNoFiles()
}

func TestGCDetachesDeadPodsOfAnEarlierDaemon(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", l.conflist("1.1.0", ""))
	dead, live := l.pod(), l.pod()
	l.attach(dead)
	l.attach(live)
	l.kill9()
	fresh := l.pod()
	l.attach(fresh)
	// Reserved by nobody: a daemon that lost its disk.
	if err := os.WriteFile(l.plugin+"/ip 10.0.0.6", []byte(newID()), 0o600); err != nil {
		t.Fatal(err)
	}
	l.calls()
	if err := l.GC(t.Context(), map[string]bool{live.ID: true}); err != nil {
		t.Fatal(err)
	}
	calls := l.wantCommands("DEL", "GC")
	if calls[0].ID != dead.ID || len(calls[1].Conf.Attachments) != 2 {
		t.Errorf("calls %+v", calls)
	}
	l.wantReserved(2)
	if !l.Has(live.ID) || !l.Has(fresh.ID) || l.Has(dead.ID) {
		t.Error("wrong pods are left")
	}
}

func TestGCOfPluginsIsLeftOut(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", l.conflist("1.0.0", ""))
	if err := l.GC(t.Context(), nil); err != nil {
		t.Error(err)
	}
	l.wantCommands() // the version has none
	l.write("10.conflist", l.conflist("1.1.0", ""))
	l.options.Shared = true
	l.kill9()
	if err := l.GC(t.Context(), nil); err != nil {
		t.Error(err)
	}
	l.wantCommands() // another runtime has attachments that we do not know
	l.remove("10.conflist")
	if err := l.GC(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestAHangingPluginEndsWithTheContext(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", l.conflist("1.0.0", ""))
	p := l.pod()
	defer l.order("hang ADD")()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := l.Attach(ctx, p)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "plugin fake") {
		t.Errorf("error %v, want the deadline and the plugin's name", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	l.wantCommands("ADD", "DEL") // the deadline that ended ADD does not end DEL
	l.wantNoFiles()
}

func TestAPluginThatLeavesAChildWithItsOutput(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", l.conflist("1.0.0", ""))
	defer l.order("leave-child ADD")()
	start := time.Now()
	l.attach(l.pod())
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("took %v, the child sleeps 5 s", took)
	}
}

func TestAResultWithoutAddressIsAnError(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", l.conflist("1.0.0", `, "noAddress": true`))
	if _, err := l.Attach(t.Context(), l.pod()); !errors.Is(err, ErrNoAddress) {
		t.Errorf("%v, want ErrNoAddress", err)
	}
	l.wantCommands("ADD", "DEL")
	l.wantNoFiles()
}

func TestOldVersionsHaveNoCheck(t *testing.T) {
	l := newLab(t)
	l.write("10.conf", fmt.Sprintf(`{"cniVersion": "0.3.1", "name": "old", "type": "fake", "dir": %q}`, l.plugin))
	p := l.pod()
	cancel := l.order("fail ADD")
	_, err := l.Attach(t.Context(), p)
	if err == nil {
		t.Fatal("it succeeded")
	}
	cancel()
	if err := l.Check(t.Context(), p); !errors.Is(err, attachment.ErrNotAttached) {
		t.Error(err)
	}
}

func TestAnUnreadableRecordIsPutAside(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", l.conflist("1.0.0", ""))
	p := l.pod()
	if err := os.WriteFile(l.files.path(p.ID), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.detach(p)
	if l.Has(p.ID) {
		t.Error("the record is still there")
	}
	l.attach(p)
	l.detach(p)
}
