// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
	"crisp/test/images"
)

func TestWrongRequestsAreRefusedByCode(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("asked")
	podID := n.runPod(pod)
	id := n.run(podID, pod, cri.Container("main", images.Busybox, "sleep", "1000"))
	absent := strings.Repeat("0", 64)
	runPod := func(change func(*runtime.PodSandboxConfig)) error {
		p := cri.Pod("wrong")
		change(p)
		_, err := n.RunPod(n.ctx, p)
		return err
	}
	create := func(change func(*runtime.ContainerConfig)) error {
		c := cri.Container("wrong", images.Busybox, "true")
		change(c)
		_, err := n.Create(n.ctx, podID, pod, c)
		return err
	}
	for name, c := range map[string]struct {
		want codes.Code
		err  error
	}{
		"pod without config":   {codes.InvalidArgument, second(n.RunPodSandbox(n.ctx, &runtime.RunPodSandboxRequest{}))},
		"pod without metadata": {codes.InvalidArgument, runPod(func(p *runtime.PodSandboxConfig) { p.Metadata = nil })},
		"pod without name":     {codes.InvalidArgument, runPod(func(p *runtime.PodSandboxConfig) { p.Metadata.Name = "" })},
		"port out of range": {codes.InvalidArgument, runPod(func(p *runtime.PodSandboxConfig) {
			p.PortMappings = []*runtime.PortMapping{{HostPort: 70000, ContainerPort: 1}}
		})},
		"foreign sysctl":          {codes.InvalidArgument, runPod(func(p *runtime.PodSandboxConfig) { p.Linux.Sysctls = map[string]string{"kernel.panic": "1"} })},
		"unknown handler":         {codes.InvalidArgument, second(n.RunPodSandbox(n.ctx, &runtime.RunPodSandboxRequest{Config: cri.Pod("x"), RuntimeHandler: "none"}))},
		"container in no pod":     {codes.NotFound, second(n.Create(n.ctx, absent, pod, cri.Container("x", images.Busybox)))},
		"container without name":  {codes.InvalidArgument, create(func(c *runtime.ContainerConfig) { c.Metadata.Name = "" })},
		"container without image": {codes.InvalidArgument, create(func(c *runtime.ContainerConfig) { c.Image = nil })},
		"log outside its dir":     {codes.InvalidArgument, create(func(c *runtime.ContainerConfig) { c.LogPath = "../../escape.log" })},
		"relative mount":          {codes.InvalidArgument, create(func(c *runtime.ContainerConfig) { c.Mounts = []*runtime.Mount{{HostPath: "etc", ContainerPath: "/x"}} })},
		"start of none":           {codes.NotFound, n.Start(n.ctx, absent)},
		"second start":            {codes.FailedPrecondition, n.Start(n.ctx, id)},
		"exec of nothing":         {codes.InvalidArgument, second(n.ExecSync(n.ctx, &runtime.ExecSyncRequest{ContainerId: id}))},
		"exec without streams":    {codes.InvalidArgument, second(n.Exec(n.ctx, &runtime.ExecRequest{ContainerId: id, Cmd: []string{"true"}}))},
		"tty with stderr":         {codes.InvalidArgument, second(n.Exec(n.ctx, &runtime.ExecRequest{ContainerId: id, Cmd: []string{"true"}, Tty: true, Stdout: true, Stderr: true}))},
		"attach to none":          {codes.NotFound, second(n.Attach(n.ctx, &runtime.AttachRequest{ContainerId: absent, Stdout: true}))},
		"forward of none":         {codes.NotFound, second(n.PortForward(n.ctx, &runtime.PortForwardRequest{PodSandboxId: absent}))},
		"pull of nothing":         {codes.InvalidArgument, second(n.Pull(n.ctx, ""))},
		"pull of a wrong name":    {codes.InvalidArgument, second(n.Pull(n.ctx, "Upper/Case:x y"))},
		"stats of none":           {codes.NotFound, second(n.ContainerStats(n.ctx, &runtime.ContainerStatsRequest{ContainerId: absent}))},
	} {
		if got := statusCode(c.err); got != c.want {
			t.Errorf("%s: code %v (%v), want %v", name, got, c.err, c.want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestListsFilter(t *testing.T) {
	n := newNode(t)
	ids := map[string]string{}
	for _, name := range []string{"one", "two"} {
		pod := cri.Pod(name)
		pod.Labels = map[string]string{"name": name}
		ids[name] = n.runPod(pod)
	}
	n.must(n.StopPod(n.ctx, ids["two"]))
	for name, c := range map[string]struct {
		filter *runtime.PodSandboxFilter
		want   int
	}{
		"none":       {nil, 2},
		"id":         {&runtime.PodSandboxFilter{Id: ids["one"]}, 1},
		"id prefix":  {&runtime.PodSandboxFilter{Id: ids["one"][:12]}, 1},
		"unknown id": {&runtime.PodSandboxFilter{Id: "absent"}, 0},
		"label":      {&runtime.PodSandboxFilter{LabelSelector: map[string]string{"name": "two"}}, 1},
		"state":      {&runtime.PodSandboxFilter{State: &runtime.PodSandboxStateValue{State: runtime.PodSandboxState_SANDBOX_READY}}, 1},
		"both": {&runtime.PodSandboxFilter{
			LabelSelector: map[string]string{"name": "two"}, State: &runtime.PodSandboxStateValue{State: runtime.PodSandboxState_SANDBOX_READY}}, 0},
	} {
		resp, err := n.ListPodSandbox(n.ctx, &runtime.ListPodSandboxRequest{Filter: c.filter})
		n.must(err)
		if len(resp.Items) != c.want {
			t.Errorf("filter by %s: %d pods, want %d", name, len(resp.Items), c.want)
		}
	}
}
