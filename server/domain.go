// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/image"
)

// Pods is what the server needs of pods and containers. sandbox.Manager is one; tests inject faults with another.
type Pods interface {
	RunPod(ctx context.Context, c *runtime.PodSandboxConfig, handler string) (id string, err error)
	StopPod(ctx context.Context, id string) error
	RemovePod(ctx context.Context, id string) error
	Pods(f *runtime.PodSandboxFilter) []*runtime.PodSandbox
	PodStatus(id string, verbose bool) (*runtime.PodSandboxStatusResponse, error)

	CreateContainer(ctx context.Context, r *runtime.CreateContainerRequest) (id string, err error)
	StartContainer(ctx context.Context, id string) error
	StopContainer(ctx context.Context, id string, timeout time.Duration) error
	RemoveContainer(ctx context.Context, id string) error
	Containers(f *runtime.ContainerFilter) []*runtime.Container
	ContainerStatus(id string, verbose bool) (*runtime.ContainerStatusResponse, error)
	UpdateContainer(ctx context.Context, id string, r *runtime.LinuxContainerResources) error
	ReopenLog(ctx context.Context, id string) error
	ExecSync(ctx context.Context, id string, cmd []string, timeout time.Duration) (stdout, stderr []byte, code int32, err error)

	ContainerStats(id string) (*runtime.ContainerStats, error)
	ListContainerStats(f *runtime.ContainerStatsFilter) []*runtime.ContainerStats
	PodStats(id string) (*runtime.PodSandboxStats, error)
	ListPodStats(f *runtime.PodSandboxStatsFilter) []*runtime.PodSandboxStats
	Subscribe(ctx context.Context) <-chan *runtime.ContainerEventResponse
}

// Images is what the server needs of the image store. image.Store is one.
type Images interface {
	Pull(ctx context.Context, r image.PullRequest) (*image.Image, error)
	List() []*image.Image
	Get(ref string) (*image.Image, error)
	Remove(ctx context.Context, ref string) error
	Usage(ctx context.Context) (image.Usage, error)
}

// Network is what the server needs of the network. network.Manager is one.
type Network interface {
	// Status is nil when pods can be connected, else it says what is missing.
	Status() error
}

// Sessions hands out the URLs of streaming sessions. stream.Server is one.
type Sessions interface {
	Exec(r *runtime.ExecRequest) (url string, err error)
	Attach(r *runtime.AttachRequest) (url string, err error)
	PortForward(r *runtime.PortForwardRequest) (url string, err error)
}
