// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// RunPodSandbox implements runtime.RuntimeServiceServer.
func (s *runtimeService) RunPodSandbox(ctx context.Context, r *runtime.RunPodSandboxRequest) (*runtime.RunPodSandboxResponse, error) {
	if err := checkPorts(r.GetConfig().GetPortMappings()); err != nil {
		return nil, err
	}
	if err := checkHandler(r.GetRuntimeHandler()); err != nil {
		return nil, err
	}
	id, err := s.Pods.RunPod(ctx, r.GetConfig(), r.GetRuntimeHandler())
	if err != nil {
		return nil, err
	}
	return &runtime.RunPodSandboxResponse{PodSandboxId: id}, nil
}

// StopPodSandbox implements runtime.RuntimeServiceServer.
func (s *runtimeService) StopPodSandbox(ctx context.Context, r *runtime.StopPodSandboxRequest) (*runtime.StopPodSandboxResponse, error) {
	if err := needID("pod_sandbox_id", r.GetPodSandboxId()); err != nil {
		return nil, err
	}
	if err := unlessGone(s.Pods.StopPod(ctx, r.GetPodSandboxId())); err != nil {
		return nil, err
	}
	return &runtime.StopPodSandboxResponse{}, nil
}

// RemovePodSandbox implements runtime.RuntimeServiceServer.
func (s *runtimeService) RemovePodSandbox(ctx context.Context, r *runtime.RemovePodSandboxRequest) (*runtime.RemovePodSandboxResponse, error) {
	if err := needID("pod_sandbox_id", r.GetPodSandboxId()); err != nil {
		return nil, err
	}
	if err := unlessGone(s.Pods.RemovePod(ctx, r.GetPodSandboxId())); err != nil {
		return nil, err
	}
	return &runtime.RemovePodSandboxResponse{}, nil
}

// PodSandboxStatus implements runtime.RuntimeServiceServer.
func (s *runtimeService) PodSandboxStatus(_ context.Context, r *runtime.PodSandboxStatusRequest) (*runtime.PodSandboxStatusResponse, error) {
	if err := needID("pod_sandbox_id", r.GetPodSandboxId()); err != nil {
		return nil, err
	}
	return s.Pods.PodStatus(r.GetPodSandboxId(), r.GetVerbose())
}

// ListPodSandbox implements runtime.RuntimeServiceServer.
func (s *runtimeService) ListPodSandbox(_ context.Context, r *runtime.ListPodSandboxRequest) (*runtime.ListPodSandboxResponse, error) {
	return &runtime.ListPodSandboxResponse{Items: s.Pods.Pods(r.GetFilter())}, nil
}
