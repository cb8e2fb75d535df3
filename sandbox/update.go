// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/sandbox/record"
	"crisp/sandbox/spec"
)

// UpdateContainer changes the resources of a created or running container: all of them or none. Zero fields are left
// alone.
func (m *Manager) UpdateContainer(ctx context.Context, id string, r *runtime.LinuxContainerResources) error {
	c, err := m.index.container(id)
	if err != nil {
		return err
	}
	if err := c.op.lock(ctx); err != nil {
		return fmt.Errorf("update container %s: %w", c.rec.ID, err)
	}
	defer c.op.unlock()
	if s := c.state(); s != runtime.ContainerState_CONTAINER_CREATED && s != runtime.ContainerState_CONTAINER_RUNNING {
		return fmt.Errorf("update container %s: %w: it is %s", c.rec.ID, ErrNotRunning, stateWord(s))
	}
	oc := c.live.Load()
	if oc == nil {
		return fmt.Errorf("update container %s: %w: its monitor does not answer", c.rec.ID, ErrState)
	}
	r = keepSwap(c.status().Resources, r)
	res, err := spec.Resources(r, m.host)
	if err == nil {
		err = oc.Update(ctx, res)
	}
	if err != nil {
		return fmt.Errorf("update container %s: %w", c.rec.ID, jobError(err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.update(func(s *record.ContainerStatus) { s.Resources = mergeResources(s.Resources, r) })
	return nil
}

// keepSwap keeps the swap that a container was allowed when only its memory limit changes; by itself a memory limit
// allows none.
func keepSwap(old, r *runtime.LinuxContainerResources) *runtime.LinuxContainerResources {
	had := old.GetMemorySwapLimitInBytes() - old.GetMemoryLimitInBytes()
	if r.GetMemoryLimitInBytes() == 0 || r.GetMemorySwapLimitInBytes() != 0 || old.GetMemorySwapLimitInBytes() == 0 || had <= 0 {
		return r
	}
	out := proto.CloneOf(r)
	out.MemorySwapLimitInBytes = r.GetMemoryLimitInBytes() + had
	return out
}

// mergeResources returns a copy of old with what r sets: the kubelet reads it back to see that its change has arrived.
func mergeResources(old, r *runtime.LinuxContainerResources) *runtime.LinuxContainerResources {
	out := &runtime.LinuxContainerResources{}
	if old != nil {
		out = proto.CloneOf(old)
	}
	lists := r.GetHugepageLimits()
	limits := out.HugepageLimits
	proto.Merge(out, r) // scalars that are set win, maps are merged; lists would be appended
	out.HugepageLimits = mergeHugepages(limits[:len(limits):len(limits)], lists)
	return out
}

func mergeHugepages(old, add []*runtime.HugepageLimit) []*runtime.HugepageLimit {
	for _, a := range add {
		found := false
		for i, o := range old {
			if o.GetPageSize() == a.GetPageSize() {
				old[i], found = a, true
			}
		}
		if !found {
			old = append(old, a)
		}
	}
	return old
}
