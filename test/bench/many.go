// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// fill brings pods up, width at a time, and returns the containers' IDs.
func (r *rig) fill(ctx context.Context, s *samples, network string, width int) ([]string, error) {
	ids := make([]string, r.pods)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(width)
	for i := range ids {
		group.Go(func() error {
			start := time.Now()
			_, id, err := r.up(ctx, s, r.config(fmt.Sprintf("many-%d", i), network), network)
			if err == nil {
				s.add("= pod up", time.Since(start))
			}
			ids[i] = id
			return err
		})
	}
	return ids, group.Wait()
}

// burst brings all pods up at once and takes them down again.
func (r *rig) burst(ctx context.Context) error {
	for _, network := range r.networkList() {
		s := newSamples()
		start := time.Now()
		if _, err := r.fill(ctx, s, network, r.pods); err != nil {
			return err
		}
		up := time.Since(start)
		if err := r.reads(ctx, s); err != nil {
			return err
		}
		start = time.Now()
		if err := r.empty(ctx); err != nil {
			return err
		}
		s.table(os.Stdout, fmt.Sprintf("%d pods at once, %s network: all up after %s ms, all removed in %s ms more",
			r.pods, network, milliseconds(up), milliseconds(time.Since(start))))
	}
	return nil
}

// reads measures what a kubelet asks every second.
func (r *rig) reads(ctx context.Context, s *samples) error {
	for _, read := range []struct {
		name string
		call func() error
	}{
		{"ListPodSandbox", func() error { _, err := r.ListPodSandbox(ctx, &runtime.ListPodSandboxRequest{}); return err }},
		{"ListContainers", func() error { _, err := r.ListContainers(ctx, &runtime.ListContainersRequest{}); return err }},
		{"ListContainerStats", func() error {
			_, err := r.ListContainerStats(ctx, &runtime.ListContainerStatsRequest{})
			return err
		}},
	} {
		for range r.rounds {
			if err := s.time(read.name, read.call); err != nil {
				return fmt.Errorf("%s: %w", read.name, err)
			}
		}
	}
	return nil
}

// empty removes every pod, several at a time.
func (r *rig) empty(ctx context.Context) error {
	pods, err := r.ListPodSandbox(ctx, &runtime.ListPodSandboxRequest{})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.parallel)
	for _, p := range pods.Items {
		group.Go(func() error {
			if err := r.StopPod(ctx, p.Id); err != nil {
				return err
			}
			return r.RemovePod(ctx, p.Id)
		})
	}
	return group.Wait()
}
