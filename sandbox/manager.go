// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Manager owns all pods and containers of a node.
type Manager struct{ cfg Config }

// New restores the pods and containers that the records in c.Root name and returns a Manager that answers for them.
// Objects that cannot be restored never make it fail; they are logged, and shown in state UNKNOWN or NOTREADY.
func New(ctx context.Context, c Config) (*Manager, error) { return &Manager{cfg: c}, nil }

// Close ends the Manager's goroutines and file descriptors and leaves all pods running.
func (m *Manager) Close() error { return nil }

// RunPod makes and starts a pod and returns its ID when it is READY. Calls with the same identity (uid, namespace,
// name, attempt) join.
func (m *Manager) RunPod(ctx context.Context, c *runtime.PodSandboxConfig, handler string) (string, error) {
	return "", errors.ErrUnsupported
}

// StopPod kills the pod's containers and its sandbox and frees its network. A pod that is gone is no error.
func (m *Manager) StopPod(ctx context.Context, id string) error { return errors.ErrUnsupported }

// RemovePod stops and removes the pod, its containers and their records. A pod that is gone is no error.
func (m *Manager) RemovePod(ctx context.Context, id string) error { return errors.ErrUnsupported }

// Pods lists the pods that match f (nil: all).
func (m *Manager) Pods(f *runtime.PodSandboxFilter) []*runtime.PodSandbox { return nil }

// PodStatus answers for one pod, with its containers' statuses; Info is filled when verbose.
func (m *Manager) PodStatus(id string, verbose bool) (*runtime.PodSandboxStatusResponse, error) {
	return nil, errors.ErrUnsupported
}

// CreateContainer makes a container that stands ready to start and returns its ID. Calls for the same pod, name and
// attempt join.
func (m *Manager) CreateContainer(ctx context.Context, r *runtime.CreateContainerRequest) (string, error) {
	return "", errors.ErrUnsupported
}

// StartContainer runs a created container.
func (m *Manager) StartContainer(ctx context.Context, id string) error { return errors.ErrUnsupported }

// StopContainer sends the stop signal, and SIGKILL after timeout. A container that is gone is no error.
func (m *Manager) StopContainer(ctx context.Context, id string, timeout time.Duration) error {
	return errors.ErrUnsupported
}

// RemoveContainer kills the container if it runs and removes it. A container that is gone is no error.
func (m *Manager) RemoveContainer(ctx context.Context, id string) error { return errors.ErrUnsupported }

// Containers lists the containers that match f (nil: all).
func (m *Manager) Containers(f *runtime.ContainerFilter) []*runtime.Container { return nil }

// ContainerStatus answers for one container; Info is filled when verbose.
func (m *Manager) ContainerStatus(id string, verbose bool) (*runtime.ContainerStatusResponse, error) {
	return nil, errors.ErrUnsupported
}

// UpdateContainer changes the resources of a created or running container: all of them or none. Zero fields are left
// alone.
func (m *Manager) UpdateContainer(ctx context.Context, id string, r *runtime.LinuxContainerResources) error {
	return errors.ErrUnsupported
}

// ReopenLog makes the container's log go to a new file at its log path. On an error no such file was made.
func (m *Manager) ReopenLog(ctx context.Context, id string) error { return errors.ErrUnsupported }

// ExecSync runs a command in a container and returns what it printed, at most 16 MiB of each stream. A timeout over 0
// ends in ErrDeadline.
func (m *Manager) ExecSync(ctx context.Context, id string, cmd []string, timeout time.Duration) (stdout, stderr []byte, code int32, err error) {
	return nil, nil, 0, errors.ErrUnsupported
}

// ContainerStats measures one container.
func (m *Manager) ContainerStats(id string) (*runtime.ContainerStats, error) {
	return nil, errors.ErrUnsupported
}

// ListContainerStats measures all running containers that match f (nil: all).
func (m *Manager) ListContainerStats(f *runtime.ContainerStatsFilter) []*runtime.ContainerStats {
	return nil
}

// PodStats measures one pod.
func (m *Manager) PodStats(id string) (*runtime.PodSandboxStats, error) {
	return nil, errors.ErrUnsupported
}

// ListPodStats measures all ready pods that match f (nil: all).
func (m *Manager) ListPodStats(f *runtime.PodSandboxStatsFilter) []*runtime.PodSandboxStats {
	return nil
}

// Subscribe delivers what happens to pods and containers from now on, until ctx ends; then the channel is closed. A
// reader that is too slow for too long loses its subscription (the channel is closed), never an event in between.
func (m *Manager) Subscribe(ctx context.Context) <-chan *runtime.ContainerEventResponse {
	ch := make(chan *runtime.ContainerEventResponse)
	close(ch)
	return ch
}
