// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// index finds pods and containers by ID, ID prefix and identity. Only objects that are complete are in it.
type index struct {
	mu         sync.RWMutex // guards the maps; held for map operations only
	pods       map[string]*pod
	containers map[string]*container
	podNames   map[string]*pod
	ctrNames   map[string]*container
}

func newIndex() *index {
	return &index{pods: map[string]*pod{}, containers: map[string]*container{}, podNames: map[string]*pod{}, ctrNames: map[string]*container{}}
}

// podIdentity is what makes two RunPodSandbox calls mean the same pod.
func podIdentity(m *runtime.PodSandboxMetadata) string {
	return strings.Join([]string{m.GetUid(), m.GetNamespace(), m.GetName(), strconv.FormatUint(uint64(m.GetAttempt()), 10)}, "\x00")
}

// ctrIdentity is what makes two CreateContainer calls mean the same container.
func ctrIdentity(podID string, m *runtime.ContainerMetadata) string {
	return strings.Join([]string{podID, m.GetName(), strconv.FormatUint(uint64(m.GetAttempt()), 10)}, "\x00")
}

func (x *index) addPod(p *pod) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pods[p.rec.ID] = p
	x.podNames[podIdentity(p.rec.Config.GetMetadata())] = p
}

func (x *index) removePod(p *pod) {
	x.freePodName(p)
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.pods, p.rec.ID)
}

// freePodName lets another pod have the pod's identity.
func (x *index) freePodName(p *pod) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if name := podIdentity(p.rec.Config.GetMetadata()); x.podNames[name] == p {
		delete(x.podNames, name)
	}
}

func (x *index) addContainer(c *container) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.containers[c.rec.ID] = c
	x.ctrNames[ctrIdentity(c.rec.PodID, c.rec.Config.GetMetadata())] = c
}

func (x *index) removeContainer(c *container) {
	x.freeContainerName(c)
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.containers, c.rec.ID)
}

// freeContainerName lets another container have the container's identity.
func (x *index) freeContainerName(c *container) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if name := ctrIdentity(c.rec.PodID, c.rec.Config.GetMetadata()); x.ctrNames[name] == c {
		delete(x.ctrNames, name)
	}
}

// pod finds a pod by its ID or a prefix that only it has.
func (x *index) pod(id string) (*pod, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return byID(x.pods, "pod", id)
}

// container finds a container by its ID or a prefix that only it has.
func (x *index) container(id string) (*container, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return byID(x.containers, "container", id)
}

func byID[T any](m map[string]*T, what, id string) (*T, error) {
	if v, ok := m[id]; ok {
		return v, nil
	}
	if id == "" {
		return nil, fmt.Errorf("%s with an empty ID: %w", what, ErrInvalid)
	}
	var found *T
	for k, v := range m {
		if strings.HasPrefix(k, id) {
			if found != nil {
				return nil, fmt.Errorf("%s %q: several have this prefix: %w", what, id, ErrNotFound)
			}
			found = v
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%s %q: %w", what, id, ErrNotFound)
	}
	return found, nil
}

func (x *index) podByIdentity(identity string) *pod {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.podNames[identity]
}

func (x *index) containerByIdentity(identity string) *container {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.ctrNames[identity]
}

func (x *index) allPods() []*pod {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := make([]*pod, 0, len(x.pods))
	for _, p := range x.pods {
		out = append(out, p)
	}
	return out
}

func (x *index) allContainers() []*container {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := make([]*container, 0, len(x.containers))
	for _, c := range x.containers {
		out = append(out, c)
	}
	return out
}

// containersOf lists a pod's containers.
func (x *index) containersOf(podID string) []*container {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var out []*container
	for _, c := range x.containers {
		if c.rec.PodID == podID {
			out = append(out, c)
		}
	}
	return out
}
