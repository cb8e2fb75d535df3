// SPDX-License-Identifier: Apache-2.0

package server

import (
	"slices"

	"google.golang.org/grpc"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// chunkSize is how many items of a list go into one message. Items have a few KiB at most, so that a message stays far
// below a client's limit of 16 MiB; fewer and larger messages are cheaper.
const chunkSize = 256

// inChunks sends a list in messages of at least one item, each item once (KEP-5825). An empty list is no message.
func inChunks[T any](items []T, send func([]T) error) error {
	for chunk := range slices.Chunk(items, chunkSize) {
		if err := send(chunk); err != nil {
			return err
		}
	}
	return nil
}

// StreamPodSandboxes implements runtime.RuntimeServiceServer.
func (s *runtimeService) StreamPodSandboxes(r *runtime.StreamPodSandboxesRequest, out grpc.ServerStreamingServer[runtime.StreamPodSandboxesResponse]) error {
	return inChunks(s.Pods.Pods(r.GetFilter()), func(items []*runtime.PodSandbox) error {
		return out.Send(&runtime.StreamPodSandboxesResponse{PodSandboxes: items})
	})
}

// StreamContainers implements runtime.RuntimeServiceServer.
func (s *runtimeService) StreamContainers(r *runtime.StreamContainersRequest, out grpc.ServerStreamingServer[runtime.StreamContainersResponse]) error {
	return inChunks(s.Pods.Containers(r.GetFilter()), func(items []*runtime.Container) error {
		return out.Send(&runtime.StreamContainersResponse{Containers: items})
	})
}

// StreamContainerStats implements runtime.RuntimeServiceServer.
func (s *runtimeService) StreamContainerStats(r *runtime.StreamContainerStatsRequest, out grpc.ServerStreamingServer[runtime.StreamContainerStatsResponse]) error {
	return inChunks(s.Pods.ListContainerStats(r.GetFilter()), func(items []*runtime.ContainerStats) error {
		return out.Send(&runtime.StreamContainerStatsResponse{ContainerStats: items})
	})
}

// StreamPodSandboxStats implements runtime.RuntimeServiceServer.
func (s *runtimeService) StreamPodSandboxStats(r *runtime.StreamPodSandboxStatsRequest, out grpc.ServerStreamingServer[runtime.StreamPodSandboxStatsResponse]) error {
	return inChunks(s.Pods.ListPodStats(r.GetFilter()), func(items []*runtime.PodSandboxStats) error {
		return out.Send(&runtime.StreamPodSandboxStatsResponse{PodSandboxStats: items})
	})
}

// StreamImages implements runtime.ImageServiceServer.
func (s *imageService) StreamImages(r *runtime.StreamImagesRequest, out grpc.ServerStreamingServer[runtime.StreamImagesResponse]) error {
	images, err := s.list(r.GetFilter())
	if err != nil {
		return err
	}
	return inChunks(images, func(items []*runtime.Image) error {
		return out.Send(&runtime.StreamImagesResponse{Images: items})
	})
}
