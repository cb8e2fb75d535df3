// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
	"crisp/test/images"
)

func TestEventsTellAContainersLife(t *testing.T) {
	n := newNode(t)
	stream, err := n.GetContainerEvents(n.ctx, &runtime.GetEventsRequest{})
	n.must(err)
	events := make(chan *runtime.ContainerEventResponse, 100)
	first := make(chan error, 1)
	go func() {
		for {
			e, err := stream.Recv()
			if err != nil {
				first <- err
				return
			}
			events <- e
		}
	}()
	pod := cri.Pod("events")
	podID := n.runPod(pod)
	id := n.run(podID, pod, cri.Container("main", images.Busybox, "true"))
	n.exited(id)
	n.must(n.RemovePod(n.ctx, podID))

	var got []runtime.ContainerEventType
	n.eventually("the container's last event", func() bool {
		select {
		case err := <-first:
			if statusCode(err) == codes.Unimplemented {
				t.Skip("GetContainerEvents is not there yet")
			}
			n.must(err)
		case e := <-events:
			if e.ContainerId == id {
				got = append(got, e.ContainerEventType)
			}
		default:
		}
		return slices.Contains(got, runtime.ContainerEventType_CONTAINER_DELETED_EVENT)
	})
	want := []runtime.ContainerEventType{
		runtime.ContainerEventType_CONTAINER_CREATED_EVENT, runtime.ContainerEventType_CONTAINER_STARTED_EVENT,
		runtime.ContainerEventType_CONTAINER_STOPPED_EVENT, runtime.ContainerEventType_CONTAINER_DELETED_EVENT,
	}
	if !slices.Equal(got, want) {
		t.Errorf("events %v", got)
	}
}
