// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// pod returns a valid configuration, changed by edit.
func pod(edit func(*runtime.PodSandboxConfig)) *runtime.RunPodSandboxRequest {
	c := &runtime.PodSandboxConfig{Metadata: &runtime.PodSandboxMetadata{Name: "n", Namespace: "ns", Uid: "u"}}
	edit(c)
	return &runtime.RunPodSandboxRequest{Config: c}
}

// container returns a valid request, changed by edit.
func container(edit func(*runtime.CreateContainerRequest)) *runtime.CreateContainerRequest {
	r := &runtime.CreateContainerRequest{PodSandboxId: "p", Config: &runtime.ContainerConfig{
		Metadata: &runtime.ContainerMetadata{Name: "c"}, Image: &runtime.ImageSpec{Image: "i"},
	}}
	edit(r)
	return r
}

func TestMalformedRequestsAreInvalidArguments(t *testing.T) {
	c := dial(t, Config{})
	runPod := func(edit func(*runtime.PodSandboxConfig)) func(context.Context) error {
		return func(ctx context.Context) error { _, err := c.RunPodSandbox(ctx, pod(edit)); return err }
	}
	create := func(edit func(*runtime.CreateContainerRequest)) func(context.Context) error {
		return func(ctx context.Context) error { _, err := c.CreateContainer(ctx, container(edit)); return err }
	}
	port := func(p *runtime.PortMapping) func(context.Context) error {
		return runPod(func(c *runtime.PodSandboxConfig) { c.PortMappings = []*runtime.PortMapping{p} })
	}
	for _, test := range []struct {
		name, says string
		call       func(context.Context) error
	}{
		{"host port too large", "port_mappings[0]", port(&runtime.PortMapping{HostPort: 65536, ContainerPort: 1})},
		{"negative container port", "port_mappings[0]", port(&runtime.PortMapping{ContainerPort: -1})},
		{"host port to nowhere", "port_mappings[0]", port(&runtime.PortMapping{HostPort: 80})},
		{"unknown protocol", "port_mappings[0]", port(&runtime.PortMapping{Protocol: 9, ContainerPort: 1})},
		{"unknown handler", "handler", func(ctx context.Context) error {
			r := pod(func(*runtime.PodSandboxConfig) {})
			r.RuntimeHandler = "kata"
			_, err := c.RunPodSandbox(ctx, r)
			return err
		}},
		{"container without pod", "pod_sandbox_id", create(func(r *runtime.CreateContainerRequest) { r.PodSandboxId = "" })},
		{"stop of nothing", "container_id", func(ctx context.Context) error {
			_, err := c.StopContainer(ctx, &runtime.StopContainerRequest{})
			return err
		}},
		{"negative timeout", "timeout", func(ctx context.Context) error {
			_, err := c.StopContainer(ctx, &runtime.StopContainerRequest{ContainerId: "c", Timeout: -1})
			return err
		}},
		{"exec of nothing", "cmd", func(ctx context.Context) error {
			_, err := c.ExecSync(ctx, &runtime.ExecSyncRequest{ContainerId: "c"})
			return err
		}},
		{"terminal with stderr", "tty and stderr", func(ctx context.Context) error {
			_, err := c.Exec(ctx, &runtime.ExecRequest{ContainerId: "c", Cmd: []string{"a"}, Tty: true, Stderr: true})
			return err
		}},
		{"attach without streams", "one of stdin", func(ctx context.Context) error {
			_, err := c.Attach(ctx, &runtime.AttachRequest{ContainerId: "c"})
			return err
		}},
		{"forward to port 0", "port", func(ctx context.Context) error {
			_, err := c.PortForward(ctx, &runtime.PortForwardRequest{PodSandboxId: "p", Port: []int32{0}})
			return err
		}},
		{"update without resources", "linux", func(ctx context.Context) error {
			_, err := c.UpdateContainerResources(ctx, &runtime.UpdateContainerResourcesRequest{ContainerId: "c"})
			return err
		}},
		{"the kubelet's probe for pod stats", "pod_sandbox_id", func(ctx context.Context) error {
			_, err := c.PodSandboxStats(ctx, &runtime.PodSandboxStatsRequest{})
			return err
		}},
		{"pull of nothing", "image.image", func(ctx context.Context) error {
			_, err := c.PullImage(ctx, &runtime.PullImageRequest{})
			return err
		}},
		{"pull for an unknown handler", "handler", func(ctx context.Context) error {
			_, err := c.PullImage(ctx, &runtime.PullImageRequest{Image: &runtime.ImageSpec{Image: "i", RuntimeHandler: "kata"}})
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.call(t.Context())
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want InvalidArgument about %q", err, test.says)
			}
		})
	}
}

func TestWellFormedRequestsPass(t *testing.T) {
	c := dial(t, Config{})
	r := pod(func(c *runtime.PodSandboxConfig) {
		c.PortMappings = []*runtime.PortMapping{
			{Protocol: runtime.Protocol_SCTP, ContainerPort: 65535, HostPort: 65535}, {ContainerPort: 80}, {},
		}
	})
	if resp, err := c.RunPodSandbox(t.Context(), r); err != nil || resp.PodSandboxId != "pod1" {
		t.Errorf("%v, %v", resp, err)
	}
	resp, err := c.CreateContainer(t.Context(), container(func(*runtime.CreateContainerRequest) {}))
	if err != nil || resp.ContainerId != "ctr1" {
		t.Errorf("%v, %v", resp, err)
	}
}

func TestHugeTimeoutDoesNotOverflow(t *testing.T) {
	pods := &fakePods{}
	c := dial(t, Config{Pods: pods})
	if _, err := c.StopContainer(t.Context(), &runtime.StopContainerRequest{ContainerId: "c", Timeout: math.MaxInt64}); err != nil {
		t.Fatal(err)
	}
	if pods.timeout < 100*365*24*time.Hour {
		t.Errorf("timeout %v", pods.timeout)
	}
}
