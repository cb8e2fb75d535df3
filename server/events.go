// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// GetContainerEvents implements runtime.RuntimeServiceServer: it sends what happens until the client goes.
func (s *runtimeService) GetContainerEvents(_ *runtime.GetEventsRequest, out grpc.ServerStreamingServer[runtime.ContainerEventResponse]) error {
	ctx, cancel := context.WithCancel(out.Context())
	defer cancel()
	defer context.AfterFunc(s.running, cancel)()
	for event := range s.Pods.Subscribe(ctx) {
		if err := out.Send(event); err != nil {
			return err
		}
	}
	switch {
	case s.running.Err() != nil:
		return status.Error(codes.Unavailable, "runtime is shutting down")
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return status.Error(codes.Aborted, "events were read too slowly: list, and subscribe again")
	}
}
