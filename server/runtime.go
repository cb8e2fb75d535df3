// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// What Version answers. The kubelet accepts this API version only, and makes runtimeName the scheme of container IDs
// ("crisp://…") in the Kubernetes API: it must never change.
const (
	kubeletAPIVersion = "0.1.0"
	runtimeName       = "crisp"
	runtimeAPIVersion = "v1"
)

// runtimeService is the CRI's RuntimeService. The calls that it does not define are answered with Unimplemented by the
// embedded type; docs/status.md lists them.
type runtimeService struct {
	runtime.UnimplementedRuntimeServiceServer
	Config
	running context.Context // ends when the server stops
}

// Version implements runtime.RuntimeServiceServer.
func (s *runtimeService) Version(context.Context, *runtime.VersionRequest) (*runtime.VersionResponse, error) {
	return &runtime.VersionResponse{
		Version:           kubeletAPIVersion,
		RuntimeName:       runtimeName,
		RuntimeVersion:    s.Config.Version,
		RuntimeApiVersion: runtimeAPIVersion,
	}, nil
}

// RuntimeConfig tells the kubelet how to name cgroups. It is asked at the kubelet's start and must not change after.
func (s *runtimeService) RuntimeConfig(context.Context, *runtime.RuntimeConfigRequest) (*runtime.RuntimeConfigResponse, error) {
	driver := runtime.CgroupDriver_CGROUPFS
	if s.SystemdCgroups {
		driver = runtime.CgroupDriver_SYSTEMD
	}
	return &runtime.RuntimeConfigResponse{Linux: &runtime.LinuxRuntimeConfiguration{CgroupDriver: driver}}, nil
}

// UpdateRuntimeConfig takes note of the node's pod CIDR. The embedded network has its own prefix and CNI plugins read
// theirs elsewhere, so nothing follows from it.
func (s *runtimeService) UpdateRuntimeConfig(_ context.Context, r *runtime.UpdateRuntimeConfigRequest) (*runtime.UpdateRuntimeConfigResponse, error) {
	if cidr := r.GetRuntimeConfig().GetNetworkConfig().GetPodCidr(); cidr != "" {
		s.Log.Info("pod CIDR noted, not used", "cidr", cidr)
	}
	return &runtime.UpdateRuntimeConfigResponse{}, nil
}
