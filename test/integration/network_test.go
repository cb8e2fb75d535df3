// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
	"crisp/test/images"
	"crisp/test/isolate"
)

// web runs a pod with a web server.
func (n *node) web(pod *runtime.PodSandboxConfig) (podID string) {
	n.t.Helper()
	n.pull(images.Nginx)
	podID = n.runPod(pod)
	n.run(podID, pod, cri.Container("server", images.Nginx))
	return podID
}

func fetch(url string) (string, error) {
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func (n *node) eventuallyServes(url string) {
	n.t.Helper()
	n.eventually(url+" answers", func() bool {
		body, err := fetch(url)
		return err == nil && strings.Contains(body, "Welcome to nginx!")
	})
}

func TestPodHasAddressesThatTheNodeReaches(t *testing.T) {
	n := newNode(t)
	podID := n.web(cri.Pod("addressed"))
	s, err := n.Pod(n.ctx, podID)
	n.must(err)
	if len(s.Network.AdditionalIps) != 1 {
		t.Fatalf("network %v, want an IPv4 and an IPv6 address", s.Network)
	}
	for _, ip := range []string{s.Network.Ip, s.Network.AdditionalIps[0].Ip} {
		n.eventuallyServes("http://" + net.JoinHostPort(ip, "80") + "/")
	}
}

func TestPodsReachEachOther(t *testing.T) {
	n := newNode(t)
	podID := n.web(cri.Pod("server"))
	s, err := n.Pod(n.ctx, podID)
	n.must(err)
	_, client := n.sleeper("client")
	n.eventually("the other pod answers", func() bool {
		resp, err := n.ExecSynchronously(n.ctx, client, "wget", "-q", "-O", "-", "http://"+s.Network.Ip+"/")
		n.must(err)
		return resp.ExitCode == 0
	})
}

func TestHostPortServesUntilThePodStops(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("ported")
	pod.PortMappings = []*runtime.PortMapping{{Protocol: runtime.Protocol_TCP, ContainerPort: 80, HostPort: 18080}}
	podID := n.web(pod)
	for _, host := range []string{isolate.NodeIPv4, "127.0.0.1"} {
		n.eventuallyServes("http://" + host + ":18080/")
	}
	n.must(n.StopPod(n.ctx, podID))
	if _, err := fetch("http://" + isolate.NodeIPv4 + ":18080/"); err == nil {
		t.Error("it still serves")
	}
	again := cri.Pod("ported-again")
	again.PortMappings = pod.PortMappings
	n.web(again)
	n.eventuallyServes("http://" + isolate.NodeIPv4 + ":18080/")
}

func TestHostPortSurvivesARestart(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("ported")
	pod.PortMappings = []*runtime.PortMapping{{Protocol: runtime.Protocol_TCP, ContainerPort: 80, HostPort: 18081}}
	n.web(pod)
	n.crash()
	n.eventuallyServes("http://" + isolate.NodeIPv4 + ":18081/")
	n.restart()
	n.eventuallyServes("http://" + isolate.NodeIPv4 + ":18081/")
}

func TestHostNetworkPodHasTheNodesInterfaces(t *testing.T) {
	n := newNode(t)
	pod := cri.HostNetwork(cri.Pod("host"))
	ctr := cri.Container("main", images.Busybox, "sleep", "1000")
	ctr.Linux.SecurityContext.NamespaceOptions.Network = runtime.NamespaceMode_NODE
	podID := n.runPod(pod)
	id := n.run(podID, pod, ctr)
	wantText(t, n.exec(id, "cat", "/proc/net/dev"), "uplink")
	s, err := n.Pod(n.ctx, podID)
	n.must(err)
	if mode := s.Linux.GetNamespaces().GetOptions().GetNetwork(); mode != runtime.NamespaceMode_NODE {
		t.Errorf("network mode %v", mode)
	}
}

func TestStatusSaysReady(t *testing.T) {
	n := newNode(t)
	resp, err := n.Status(n.ctx, &runtime.StatusRequest{})
	n.must(err)
	ready := map[string]bool{}
	for _, c := range resp.Status.Conditions {
		ready[c.Type] = c.Status
	}
	if !ready[runtime.RuntimeReady] || !ready[runtime.NetworkReady] {
		t.Errorf("conditions %v", resp.Status.Conditions)
	}
	v, err := n.Version(n.ctx, &runtime.VersionRequest{})
	n.must(err)
	if v.Version != "0.1.0" || v.RuntimeName != "crisp" || v.RuntimeApiVersion != "v1" {
		t.Errorf("version %v", v)
	}
	c, err := n.RuntimeConfig(n.ctx, &runtime.RuntimeConfigRequest{})
	n.must(err)
	if c.Linux.GetCgroupDriver() != runtime.CgroupDriver_CGROUPFS {
		t.Errorf("runtime config %v", c)
	}
	_, err = n.CheckpointContainer(n.ctx, &runtime.CheckpointContainerRequest{ContainerId: "absent"})
	if code := statusCode(err); code != codes.Unimplemented && code != codes.NotFound {
		t.Errorf("checkpoint: %v", err)
	}
}
