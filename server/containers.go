// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// CreateContainer implements runtime.RuntimeServiceServer.
func (s *runtimeService) CreateContainer(ctx context.Context, r *runtime.CreateContainerRequest) (*runtime.CreateContainerResponse, error) {
	if err := needID("pod_sandbox_id", r.GetPodSandboxId()); err != nil {
		return nil, err
	}
	id, err := s.Pods.CreateContainer(ctx, r)
	if err != nil {
		return nil, err
	}
	return &runtime.CreateContainerResponse{ContainerId: id}, nil
}

// StartContainer implements runtime.RuntimeServiceServer.
func (s *runtimeService) StartContainer(ctx context.Context, r *runtime.StartContainerRequest) (*runtime.StartContainerResponse, error) {
	if err := needID("container_id", r.GetContainerId()); err != nil {
		return nil, err
	}
	if err := s.Pods.StartContainer(ctx, r.GetContainerId()); err != nil {
		return nil, err
	}
	return &runtime.StartContainerResponse{}, nil
}

// StopContainer implements runtime.RuntimeServiceServer.
func (s *runtimeService) StopContainer(ctx context.Context, r *runtime.StopContainerRequest) (*runtime.StopContainerResponse, error) {
	if err := needID("container_id", r.GetContainerId()); err != nil {
		return nil, err
	}
	timeout, err := seconds("timeout", r.GetTimeout())
	if err != nil {
		return nil, err
	}
	if err := unlessGone(s.Pods.StopContainer(ctx, r.GetContainerId(), timeout)); err != nil {
		return nil, err
	}
	return &runtime.StopContainerResponse{}, nil
}

// RemoveContainer implements runtime.RuntimeServiceServer.
func (s *runtimeService) RemoveContainer(ctx context.Context, r *runtime.RemoveContainerRequest) (*runtime.RemoveContainerResponse, error) {
	if err := needID("container_id", r.GetContainerId()); err != nil {
		return nil, err
	}
	if err := unlessGone(s.Pods.RemoveContainer(ctx, r.GetContainerId())); err != nil {
		return nil, err
	}
	return &runtime.RemoveContainerResponse{}, nil
}

// ListContainers implements runtime.RuntimeServiceServer.
func (s *runtimeService) ListContainers(_ context.Context, r *runtime.ListContainersRequest) (*runtime.ListContainersResponse, error) {
	return &runtime.ListContainersResponse{Containers: s.Pods.Containers(r.GetFilter())}, nil
}

// ContainerStatus implements runtime.RuntimeServiceServer.
func (s *runtimeService) ContainerStatus(_ context.Context, r *runtime.ContainerStatusRequest) (*runtime.ContainerStatusResponse, error) {
	if err := needID("container_id", r.GetContainerId()); err != nil {
		return nil, err
	}
	return s.Pods.ContainerStatus(r.GetContainerId(), r.GetVerbose())
}

// UpdateContainerResources implements runtime.RuntimeServiceServer.
func (s *runtimeService) UpdateContainerResources(ctx context.Context, r *runtime.UpdateContainerResourcesRequest) (*runtime.UpdateContainerResourcesResponse, error) {
	if err := needID("container_id", r.GetContainerId()); err != nil {
		return nil, err
	}
	if r.GetLinux() == nil {
		return nil, invalid("linux: missing")
	}
	if err := s.Pods.UpdateContainer(ctx, r.GetContainerId(), r.GetLinux()); err != nil {
		return nil, err
	}
	return &runtime.UpdateContainerResourcesResponse{}, nil
}

// ReopenContainerLog implements runtime.RuntimeServiceServer.
func (s *runtimeService) ReopenContainerLog(ctx context.Context, r *runtime.ReopenContainerLogRequest) (*runtime.ReopenContainerLogResponse, error) {
	if err := needID("container_id", r.GetContainerId()); err != nil {
		return nil, err
	}
	if err := s.Pods.ReopenLog(ctx, r.GetContainerId()); err != nil {
		return nil, err
	}
	return &runtime.ReopenContainerLogResponse{}, nil
}
