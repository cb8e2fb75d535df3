// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/image"
)

// drain reads a stream to its end and returns the size of each message.
func drain[M any](t *testing.T, s grpc.ServerStreamingClient[M], err error, size func(*M) int) []int {
	t.Helper()
	var sizes []int
	for err == nil {
		var m *M
		if m, err = s.Recv(); err == nil {
			sizes = append(sizes, size(m))
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return sizes
}

func TestStreamsSendEachItemOnceAndNoEmptyMessage(t *testing.T) {
	for _, n := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize + 7} {
		pods, images := &fakePods{}, &fakeImages{}
		for i := range n {
			id := fmt.Sprint(i)
			pods.pods = append(pods.pods, &runtime.PodSandbox{Id: id})
			pods.containers = append(pods.containers, &runtime.Container{Id: id})
			images.images = append(images.images, &image.Image{ID: id})
		}
		c := dial(t, Config{Pods: pods, Images: images})
		check := func(name string, sizes []int) {
			sum := 0
			for _, size := range sizes {
				if size == 0 {
					t.Errorf("%s of %d: an empty message", name, n)
				}
				sum += size
			}
			if sum != n {
				t.Errorf("%s of %d: %d items", name, n, sum)
			}
		}
		ctx := t.Context()
		sp, err := c.StreamPodSandboxes(ctx, &runtime.StreamPodSandboxesRequest{})
		seen := map[string]bool{}
		check("pods", drain(t, sp, err, func(m *runtime.StreamPodSandboxesResponse) int {
			for _, p := range m.PodSandboxes {
				if seen[p.Id] {
					t.Errorf("pod %s twice", p.Id)
				}
				seen[p.Id] = true
			}
			return len(m.PodSandboxes)
		}))
		sc, err := c.StreamContainers(ctx, &runtime.StreamContainersRequest{})
		check("containers", drain(t, sc, err, func(m *runtime.StreamContainersResponse) int { return len(m.Containers) }))
		scs, err := c.StreamContainerStats(ctx, &runtime.StreamContainerStatsRequest{})
		check("container stats", drain(t, scs, err, func(m *runtime.StreamContainerStatsResponse) int { return len(m.ContainerStats) }))
		sps, err := c.StreamPodSandboxStats(ctx, &runtime.StreamPodSandboxStatsRequest{})
		check("pod stats", drain(t, sps, err, func(m *runtime.StreamPodSandboxStatsResponse) int { return len(m.PodSandboxStats) }))
		si, err := c.StreamImages(ctx, &runtime.StreamImagesRequest{})
		check("images", drain(t, si, err, func(m *runtime.StreamImagesResponse) int { return len(m.Images) }))
	}
}

func TestEventsFlowUntilTheClientGoes(t *testing.T) {
	ended := make(chan struct{})
	pods := &fakePods{events: func(ctx context.Context) <-chan *runtime.ContainerEventResponse {
		ch := make(chan *runtime.ContainerEventResponse, 1)
		ch <- &runtime.ContainerEventResponse{ContainerId: "c1"}
		context.AfterFunc(ctx, func() { close(ch); close(ended) })
		return ch
	}}
	c := dial(t, Config{Pods: pods})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := c.GetContainerEvents(ctx, &runtime.GetEventsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.Recv(); err != nil || m.ContainerId != "c1" {
		t.Fatalf("%v, %v", m, err)
	}
	cancel()
	<-ended
}

func TestSlowSubscriberIsToldToStartAnew(t *testing.T) {
	pods := &fakePods{events: func(context.Context) <-chan *runtime.ContainerEventResponse {
		ch := make(chan *runtime.ContainerEventResponse)
		close(ch)
		return ch
	}}
	c := dial(t, Config{Pods: pods})
	s, err := c.GetContainerEvents(t.Context(), &runtime.GetEventsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); status.Code(err) != codes.Aborted {
		t.Errorf("%v", err)
	}
}

func TestStopEndsSubscriptions(t *testing.T) {
	pods := &fakePods{events: func(ctx context.Context) <-chan *runtime.ContainerEventResponse {
		ch := make(chan *runtime.ContainerEventResponse, 1)
		ch <- &runtime.ContainerEventResponse{ContainerId: "c1"}
		context.AfterFunc(ctx, func() { close(ch) })
		return ch
	}}
	c := dial(t, Config{Pods: pods})
	s, err := c.GetContainerEvents(t.Context(), &runtime.GetEventsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	c.server.stopping() // Stop also closes the connection, which may overtake the answer
	if _, err := s.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("%v", err)
	}
}
