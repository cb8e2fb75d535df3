// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"sync"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// eventBuffer is how many events a subscriber may be behind.
const eventBuffer = 1024

// broadcaster hands events to subscribers in the order in which they are published.
type broadcaster struct {
	mu   sync.Mutex // guards subs, and the order of deliveries
	subs map[chan *runtime.ContainerEventResponse]struct{}
}

func newBroadcaster() *broadcaster {
	return &broadcaster{subs: map[chan *runtime.ContainerEventResponse]struct{}{}}
}

// Subscribe delivers what happens to pods and containers from now on, until ctx ends; then the channel is closed. A
// reader that falls too far behind loses its subscription (the channel is closed), never an event in between.
func (m *Manager) Subscribe(ctx context.Context) <-chan *runtime.ContainerEventResponse {
	ch := make(chan *runtime.ContainerEventResponse, eventBuffer)
	m.events.mu.Lock()
	m.events.subs[ch] = struct{}{}
	m.events.mu.Unlock()
	ended := func() { m.events.drop(ch) }
	stop := context.AfterFunc(ctx, ended)
	context.AfterFunc(m.ctx, func() { stop(); ended() })
	return ch
}

// drop ends a subscription once.
func (b *broadcaster) drop(ch chan *runtime.ContainerEventResponse) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropLocked(ch)
}

func (b *broadcaster) dropLocked(ch chan *runtime.ContainerEventResponse) {
	if _, ok := b.subs[ch]; ok {
		delete(b.subs, ch)
		close(ch)
	}
}

// publish makes the event and delivers it. The event is made under the lock so that its snapshots are not older than those of
// an event before it; nothing is made when nobody listens.
func (b *broadcaster) publish(event func() *runtime.ContainerEventResponse) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.subs) == 0 {
		return
	}
	e := event()
	for ch := range b.subs {
		select {
		case ch <- e:
		default:
			b.dropLocked(ch)
		}
	}
}

// tell publishes what happened to a pod's sandbox (id is the pod's) or to one of its containers.
func (m *Manager) tell(p *pod, id string, kind runtime.ContainerEventType) {
	m.events.publish(func() *runtime.ContainerEventResponse {
		return &runtime.ContainerEventResponse{
			ContainerId: id, ContainerEventType: kind, CreatedAt: time.Now().UnixNano(),
			PodSandboxStatus: podStatus(p), ContainersStatuses: m.statusesOf(p),
		}
	})
}

const (
	eventCreated = runtime.ContainerEventType_CONTAINER_CREATED_EVENT
	eventStarted = runtime.ContainerEventType_CONTAINER_STARTED_EVENT
	eventStopped = runtime.ContainerEventType_CONTAINER_STOPPED_EVENT
	eventDeleted = runtime.ContainerEventType_CONTAINER_DELETED_EVENT
)
