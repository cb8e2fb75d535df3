// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/image"
)

func TestVersionIsWhatTheKubeletAccepts(t *testing.T) {
	c := dial(t, Config{Version: "1.2.3"})
	v, err := c.Version(t.Context(), &runtime.VersionRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if v.Version != "0.1.0" || v.RuntimeName != "crisp" || v.RuntimeVersion != "1.2.3" || v.RuntimeApiVersion != "v1" {
		t.Errorf("%v", v)
	}
}

func TestStatusHasBothConditionsAndTheDefaultHandler(t *testing.T) {
	c := dial(t, Config{
		Network:  fakeNetwork{errors.New("no conflist")},
		Features: Features{RecursiveReadOnlyMounts: true, SupplementalGroupsPolicy: true},
		Info:     func() map[string]any { return map[string]any{"config": map[string]string{"root": "/r"}} },
	})
	s, err := c.Status(t.Context(), &runtime.StatusRequest{Verbose: true})
	if err != nil {
		t.Fatal(err)
	}
	conditions := map[string]*runtime.RuntimeCondition{}
	for _, cond := range s.GetStatus().GetConditions() {
		conditions[cond.Type] = cond
	}
	if !conditions["RuntimeReady"].GetStatus() {
		t.Error("not RuntimeReady")
	}
	if n := conditions["NetworkReady"]; n.GetStatus() || n.GetReason() != "NetworkPluginNotReady" || n.GetMessage() != "no conflist" {
		t.Errorf("network: %v", n)
	}
	if len(s.RuntimeHandlers) != 1 || s.RuntimeHandlers[0].Name != "" || !s.RuntimeHandlers[0].Features.RecursiveReadOnlyMounts ||
		s.RuntimeHandlers[0].Features.UserNamespaces {
		t.Errorf("handlers: %v", s.RuntimeHandlers)
	}
	if !s.Features.SupplementalGroupsPolicy {
		t.Errorf("features: %v", s.Features)
	}
	if s.Info["config"] != `{"root":"/r"}` {
		t.Errorf("info: %v", s.Info)
	}
}

func TestQuietStatusHasNoInfo(t *testing.T) {
	c := dial(t, Config{Info: func() map[string]any { t.Error("info was made for nobody"); return nil }})
	s, err := c.Status(t.Context(), &runtime.StatusRequest{})
	if err != nil || len(s.Info) != 0 {
		t.Errorf("%v, %v", s, err)
	}
}

func TestTheKubeletIsToldTheCgroupDriver(t *testing.T) {
	var c *client
	for systemd, want := range map[bool]runtime.CgroupDriver{false: runtime.CgroupDriver_CGROUPFS, true: runtime.CgroupDriver_SYSTEMD} {
		c = dial(t, Config{SystemdCgroups: systemd})
		r, err := c.RuntimeConfig(t.Context(), &runtime.RuntimeConfigRequest{})
		if err != nil || r.GetLinux() == nil || r.GetLinux().GetCgroupDriver() != want {
			t.Errorf("%v, %v", r, err)
		}
	}
	if _, err := c.UpdateRuntimeConfig(t.Context(), &runtime.UpdateRuntimeConfigRequest{}); err != nil {
		t.Error(err)
	}
}

// docs/status.md promises these to be Unimplemented; a client then never asks again.
func TestWhatIsNotThereIsUnimplemented(t *testing.T) {
	c := dial(t, Config{})
	ctx := t.Context()
	_, checkpoint := c.CheckpointContainer(ctx, &runtime.CheckpointContainerRequest{})
	_, checkpointPod := c.CheckpointPod(ctx, &runtime.CheckpointPodRequest{})
	_, restorePod := c.RestorePod(ctx, &runtime.RestorePodRequest{})
	_, descriptors := c.ListMetricDescriptors(ctx, &runtime.ListMetricDescriptorsRequest{})
	_, metrics := c.ListPodSandboxMetrics(ctx, &runtime.ListPodSandboxMetricsRequest{})
	_, update := c.UpdatePodSandboxResources(ctx, &runtime.UpdatePodSandboxResourcesRequest{})
	for name, err := range map[string]error{
		"CheckpointContainer": checkpoint, "CheckpointPod": checkpointPod, "RestorePod": restorePod,
		"ListMetricDescriptors": descriptors, "ListPodSandboxMetrics": metrics, "UpdatePodSandboxResources": update,
	} {
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := c.StreamPodSandboxMetrics(ctx, &runtime.StreamPodSandboxMetricsRequest{})
	if err == nil {
		_, err = s.Recv()
	}
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("StreamPodSandboxMetrics: %v", err)
	}
}

func TestMessagesOverGRPCsDefaultPassBothWays(t *testing.T) {
	c := dial(t, Config{Pods: &fakePods{stdout: bytes.Repeat([]byte("x"), 16<<20)}})
	r, err := c.ExecSync(t.Context(), &runtime.ExecSyncRequest{ContainerId: "c", Cmd: []string{strings.Repeat("y", 8<<20)}})
	if err != nil || len(r.Stdout) != 16<<20 || r.ExitCode != 7 {
		t.Errorf("%d bytes, %v", len(r.GetStdout()), err)
	}
}

func TestTimeoutsAreSeconds(t *testing.T) {
	pods := &fakePods{}
	c := dial(t, Config{Pods: pods})
	if _, err := c.ExecSync(t.Context(), &runtime.ExecSyncRequest{ContainerId: "c", Cmd: []string{"a"}, Timeout: 3}); err != nil {
		t.Fatal(err)
	}
	if pods.timeout != 3*time.Second {
		t.Errorf("%v", pods.timeout)
	}
}

func TestSessionsNeedARunningContainerAndAReadyPod(t *testing.T) {
	pods := &fakePods{state: runtime.ContainerState_CONTAINER_EXITED, podState: runtime.PodSandboxState_SANDBOX_NOTREADY}
	c := dial(t, Config{Pods: pods})
	ctx := t.Context()
	exec := &runtime.ExecRequest{ContainerId: "c", Cmd: []string{"sh"}, Stdout: true}
	attach := &runtime.AttachRequest{ContainerId: "c", Stdout: true}
	forward := &runtime.PortForwardRequest{PodSandboxId: "p", Port: []int32{80}}
	if _, err := c.Exec(ctx, exec); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("exec: %v", err)
	}
	if _, err := c.Attach(ctx, attach); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("attach: %v", err)
	}
	if _, err := c.PortForward(ctx, forward); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("port-forward: %v", err)
	}
	pods.state, pods.podState = runtime.ContainerState_CONTAINER_RUNNING, runtime.PodSandboxState_SANDBOX_READY
	if r, err := c.Exec(ctx, exec); err != nil || r.Url != "http://exec" {
		t.Errorf("exec: %v, %v", r, err)
	}
	if r, err := c.Attach(ctx, attach); err != nil || r.Url != "http://attach" {
		t.Errorf("attach: %v, %v", r, err)
	}
	if r, err := c.PortForward(ctx, forward); err != nil || r.Url != "http://portforward" {
		t.Errorf("port-forward: %v, %v", r, err)
	}
}

func TestImagesAreShownAsTheCRIWants(t *testing.T) {
	img := &image.Image{ID: "sha256:aa", RepoTags: []string{"r/i:t"}, RepoDigests: []string{"r/i@sha256:bb"}, Size: 5, Pinned: true}
	img.Config.Config.Labels = map[string]string{"l": "v"}
	images := &fakeImages{images: []*image.Image{img}, err: image.ErrNotFound}
	c := dial(t, Config{Images: images})
	ctx := t.Context()

	found, err := c.ImageStatus(ctx, &runtime.ImageStatusRequest{Image: &runtime.ImageSpec{Image: "sha256:aa"}, Verbose: true})
	if err != nil {
		t.Fatal(err)
	}
	if i := found.Image; i.Id != img.ID || i.Size != 5 || !i.Pinned || i.RepoTags[0] != "r/i:t" || i.RepoDigests[0] != "r/i@sha256:bb" {
		t.Errorf("%v", i)
	}
	var info struct{ Labels map[string]string }
	if err := json.Unmarshal([]byte(found.Info["info"]), &info); err != nil || info.Labels["l"] != "v" {
		t.Errorf("info %s: %v", found.Info["info"], err)
	}

	missing, err := c.ImageStatus(ctx, &runtime.ImageStatusRequest{Image: &runtime.ImageSpec{Image: "none"}})
	if err != nil || missing.Image != nil {
		t.Errorf("an image that is not there: %v, %v", missing, err)
	}
	list, err := c.ListImages(ctx, &runtime.ListImagesRequest{Filter: &runtime.ImageFilter{Image: &runtime.ImageSpec{Image: "none"}}})
	if err != nil || len(list.Images) != 0 {
		t.Errorf("a filter that matches none: %v, %v", list, err)
	}
	list, err = c.ListImages(ctx, &runtime.ListImagesRequest{})
	if err != nil || len(list.Images) != 1 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestPullHandsOverAllKindsOfCredentials(t *testing.T) {
	images := &fakeImages{}
	c := dial(t, Config{Images: images})
	spec := &runtime.ImageSpec{Image: "i"}
	r, err := c.PullImage(t.Context(), &runtime.PullImageRequest{Image: spec, Auth: &runtime.AuthConfig{
		Username: "u", Password: "p", Auth: "a", ServerAddress: "s", IdentityToken: "t", RegistryToken: "r",
	}})
	if err != nil || r.ImageRef != "sha256:pulled" {
		t.Fatalf("%v, %v", r, err)
	}
	want := image.Auth{Username: "u", Password: "p", Auth: "a", ServerAddress: "s", IdentityToken: "t", RegistryToken: "r"}
	if images.pulled.Auth == nil || *images.pulled.Auth != want {
		t.Errorf("%+v", images.pulled.Auth)
	}
	if _, err := c.PullImage(t.Context(), &runtime.PullImageRequest{Image: spec, Auth: &runtime.AuthConfig{}}); err != nil {
		t.Fatal(err)
	}
	if images.pulled.Auth != nil {
		t.Errorf("an empty AuthConfig became %+v", images.pulled.Auth)
	}
}

func TestImageFsInfoHasOneFilesystem(t *testing.T) {
	c := dial(t, Config{})
	r, err := c.ImageFsInfo(t.Context(), &runtime.ImageFsInfoRequest{})
	if err != nil || len(r.ImageFilesystems) != 1 || len(r.ContainerFilesystems) != 0 {
		t.Fatalf("%v, %v", r, err)
	}
	fs := r.ImageFilesystems[0]
	if fs.Timestamp <= 0 || fs.FsId.Mountpoint != "/images" || fs.UsedBytes.Value != 10 || fs.InodesUsed.Value != 2 {
		t.Errorf("%v", fs)
	}
}

// Every kernel that crisp runs on (6.1 and newer) has the system call.
func TestProbeFindsMountSetattr(t *testing.T) {
	if f := ProbeFeatures(); !f.RecursiveReadOnlyMounts || !f.SupplementalGroupsPolicy {
		t.Errorf("%+v", f)
	}
}

func BenchmarkCall(b *testing.B) {
	c := dial(b, Config{})
	for b.Loop() {
		if _, err := c.Version(b.Context(), &runtime.VersionRequest{}); err != nil {
			b.Fatal(err)
		}
	}
}
