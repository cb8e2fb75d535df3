// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/image"
)

// fakePods answers with what a test gives it, and err to everything else.
type fakePods struct {
	err        error
	panics     any
	pods       []*runtime.PodSandbox
	containers []*runtime.Container
	podState   runtime.PodSandboxState
	state      runtime.ContainerState
	stdout     []byte
	events     func(ctx context.Context) <-chan *runtime.ContainerEventResponse

	timeout time.Duration // what the last StopContainer or ExecSync was given
}

func (f *fakePods) RunPod(context.Context, *runtime.PodSandboxConfig, string) (string, error) {
	if f.panics != nil {
		panic(f.panics)
	}
	return "pod1", f.err
}
func (f *fakePods) StopPod(context.Context, string) error                { return f.err }
func (f *fakePods) RemovePod(context.Context, string) error              { return f.err }
func (f *fakePods) Pods(*runtime.PodSandboxFilter) []*runtime.PodSandbox { return f.pods }
func (f *fakePods) PodStatus(id string, _ bool) (*runtime.PodSandboxStatusResponse, error) {
	return &runtime.PodSandboxStatusResponse{Status: &runtime.PodSandboxStatus{Id: id, State: f.podState}}, f.err
}
func (f *fakePods) CreateContainer(context.Context, *runtime.CreateContainerRequest) (string, error) {
	return "ctr1", f.err
}
func (f *fakePods) StartContainer(context.Context, string) error { return f.err }
func (f *fakePods) StopContainer(_ context.Context, _ string, timeout time.Duration) error {
	f.timeout = timeout
	return f.err
}
func (f *fakePods) RemoveContainer(context.Context, string) error { return f.err }
func (f *fakePods) Containers(*runtime.ContainerFilter) []*runtime.Container {
	return f.containers
}
func (f *fakePods) ContainerStatus(id string, _ bool) (*runtime.ContainerStatusResponse, error) {
	return &runtime.ContainerStatusResponse{Status: &runtime.ContainerStatus{Id: id, State: f.state}}, f.err
}
func (f *fakePods) UpdateContainer(context.Context, string, *runtime.LinuxContainerResources) error {
	return f.err
}
func (f *fakePods) ReopenLog(context.Context, string) error { return f.err }
func (f *fakePods) ExecSync(_ context.Context, _ string, _ []string, timeout time.Duration) ([]byte, []byte, int32, error) {
	f.timeout = timeout
	return f.stdout, nil, 7, f.err
}
func (f *fakePods) ContainerStats(string) (*runtime.ContainerStats, error) {
	return &runtime.ContainerStats{}, f.err
}
func (f *fakePods) ListContainerStats(*runtime.ContainerStatsFilter) []*runtime.ContainerStats {
	return make([]*runtime.ContainerStats, len(f.containers))
}
func (f *fakePods) PodStats(string) (*runtime.PodSandboxStats, error) {
	return &runtime.PodSandboxStats{}, f.err
}
func (f *fakePods) ListPodStats(*runtime.PodSandboxStatsFilter) []*runtime.PodSandboxStats {
	return make([]*runtime.PodSandboxStats, len(f.pods))
}
func (f *fakePods) Subscribe(ctx context.Context) <-chan *runtime.ContainerEventResponse {
	return f.events(ctx)
}

// fakeImages has some images, and err for everything else.
type fakeImages struct {
	err    error
	images []*image.Image
	pulled image.PullRequest
}

func (f *fakeImages) Pull(_ context.Context, r image.PullRequest) (*image.Image, error) {
	f.pulled = r
	return &image.Image{ID: "sha256:pulled"}, f.err
}
func (f *fakeImages) List() []*image.Image { return f.images }
func (f *fakeImages) Get(ref string) (*image.Image, error) {
	for _, img := range f.images {
		if img.ID == ref {
			return img, nil
		}
	}
	return nil, f.err
}
func (f *fakeImages) Remove(context.Context, string) error { return f.err }
func (f *fakeImages) Usage(context.Context) (image.Usage, error) {
	return image.Usage{Mountpoint: "/images", Bytes: 10, Inodes: 2}, f.err
}

type fakeNetwork struct{ err error }

func (f fakeNetwork) Status() error { return f.err }

// fakeSessions answers with the kind of session.
type fakeSessions struct{ err error }

func (f fakeSessions) Exec(*runtime.ExecRequest) (string, error)     { return "http://exec", f.err }
func (f fakeSessions) Attach(*runtime.AttachRequest) (string, error) { return "http://attach", f.err }
func (f fakeSessions) PortForward(*runtime.PortForwardRequest) (string, error) {
	return "http://portforward", f.err
}

// client is both services as a kubelet has them.
type client struct {
	runtime.RuntimeServiceClient
	runtime.ImageServiceClient
	server *Server
}

// dial serves c on a connection in memory. What c leaves out is filled with fakes that never fail.
func dial(t testing.TB, c Config) *client {
	t.Helper()
	if c.Pods == nil {
		c.Pods = &fakePods{}
	}
	if c.Images == nil {
		c.Images = &fakeImages{}
	}
	if c.Network == nil {
		c.Network = fakeNetwork{}
	}
	if c.Sessions == nil {
		c.Sessions = fakeSessions{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxMessageSize == 0 {
		c.MaxMessageSize = 80 << 20
	}
	s := New(c)
	l := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///memory",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(80<<20), grpc.MaxCallSendMsgSize(80<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		s.Stop(10 * time.Second)
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return &client{runtime.NewRuntimeServiceClient(conn), runtime.NewImageServiceClient(conn), s}
}
