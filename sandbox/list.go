// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"cmp"
	"slices"
	"strings"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Pods lists the pods that match f (nil: all), newest first. It takes no operation's lock.
func (m *Manager) Pods(f *runtime.PodSandboxFilter) []*runtime.PodSandbox {
	var out []*runtime.PodSandbox
	for _, p := range m.index.allPods() {
		if item := p.view.Load().item; matchPod(f, item) {
			out = append(out, item)
		}
	}
	slices.SortFunc(out, func(a, b *runtime.PodSandbox) int {
		return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), strings.Compare(a.Id, b.Id))
	})
	return out
}

// Containers lists the containers that match f (nil: all), newest first. It takes no operation's lock.
func (m *Manager) Containers(f *runtime.ContainerFilter) []*runtime.Container {
	var out []*runtime.Container
	for _, c := range m.index.allContainers() {
		if item := c.view.Load().item; matchContainer(f, item) {
			out = append(out, item)
		}
	}
	slices.SortFunc(out, func(a, b *runtime.Container) int {
		return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), strings.Compare(a.Id, b.Id))
	})
	return out
}

// All fields of a filter are ANDed; an ID may be a prefix.

func matchPod(f *runtime.PodSandboxFilter, p *runtime.PodSandbox) bool {
	return strings.HasPrefix(p.Id, f.GetId()) &&
		(f.GetState() == nil || f.State.State == p.State) &&
		matchLabels(f.GetLabelSelector(), p.Labels)
}

func matchContainer(f *runtime.ContainerFilter, c *runtime.Container) bool {
	return strings.HasPrefix(c.Id, f.GetId()) &&
		strings.HasPrefix(c.PodSandboxId, f.GetPodSandboxId()) &&
		(f.GetState() == nil || f.State.State == c.State) &&
		matchLabels(f.GetLabelSelector(), c.Labels)
}

func matchLabels(want, have map[string]string) bool {
	for k, v := range want {
		if got, ok := have[k]; !ok || got != v {
			return false
		}
	}
	return true
}
