// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// ContainerStats implements runtime.RuntimeServiceServer.
func (s *runtimeService) ContainerStats(_ context.Context, r *runtime.ContainerStatsRequest) (*runtime.ContainerStatsResponse, error) {
	if err := needID("container_id", r.GetContainerId()); err != nil {
		return nil, err
	}
	stats, err := s.Pods.ContainerStats(r.GetContainerId())
	if err != nil {
		return nil, err
	}
	return &runtime.ContainerStatsResponse{Stats: stats}, nil
}

// ListContainerStats implements runtime.RuntimeServiceServer.
func (s *runtimeService) ListContainerStats(_ context.Context, r *runtime.ListContainerStatsRequest) (*runtime.ListContainerStatsResponse, error) {
	return &runtime.ListContainerStatsResponse{Stats: s.Pods.ListContainerStats(r.GetFilter())}, nil
}

// PodSandboxStats implements runtime.RuntimeServiceServer. A kubelet finds out whether a runtime has it by asking for the
// pod "": any error but Unimplemented means yes.
func (s *runtimeService) PodSandboxStats(_ context.Context, r *runtime.PodSandboxStatsRequest) (*runtime.PodSandboxStatsResponse, error) {
	if err := needID("pod_sandbox_id", r.GetPodSandboxId()); err != nil {
		return nil, err
	}
	stats, err := s.Pods.PodStats(r.GetPodSandboxId())
	if err != nil {
		return nil, err
	}
	return &runtime.PodSandboxStatsResponse{Stats: stats}, nil
}

// ListPodSandboxStats implements runtime.RuntimeServiceServer.
func (s *runtimeService) ListPodSandboxStats(_ context.Context, r *runtime.ListPodSandboxStatsRequest) (*runtime.ListPodSandboxStatsResponse, error) {
	return &runtime.ListPodSandboxStatsResponse{Stats: s.Pods.ListPodStats(r.GetFilter())}, nil
}
