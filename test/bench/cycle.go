// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
)

// config is a pod on one of the networks.
func (r *rig) config(name, network string) *runtime.PodSandboxConfig {
	pod := cri.Pod(name)
	if network == "host" {
		cri.HostNetwork(pod)
	}
	pod.LogDirectory = r.logs
	return pod
}

// container is one of a pod of config.
func (r *rig) container(network string, cmd ...string) *runtime.ContainerConfig {
	ctr := cri.Container("main", r.image, cmd...)
	if network == "host" {
		ctr.Linux.SecurityContext.NamespaceOptions.Network = runtime.NamespaceMode_NODE
	}
	return ctr
}

func (r *rig) networkList() []string { return strings.Split(r.networks, ",") }

// cycles measures pods from RunPodSandbox to RemovePodSandbox.
func (r *rig) cycles(ctx context.Context) error {
	for _, network := range r.networkList() {
		for _, workers := range []int{1, r.parallel} {
			s, err := r.cyclesOn(ctx, network, workers)
			if err != nil {
				return err
			}
			s.table(os.Stdout, fmt.Sprintf("A pod's cycle, %s network, %d at a time", network, workers))
		}
	}
	return nil
}

func (r *rig) cyclesOn(ctx context.Context, network string, workers int) (*samples, error) {
	// Nothing of the first pods counts: they fill caches.
	if err := r.cycle(ctx, newSamples(), r.config("warm-up", network), network); err != nil {
		return nil, err
	}
	s := newSamples()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range r.rounds {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return r.cycle(ctx, s, r.config(fmt.Sprintf("cycle-%d", i), network), network)
		})
	}
	return s, group.Wait()
}

func (r *rig) cycle(ctx context.Context, s *samples, pod *runtime.PodSandboxConfig, network string) (err error) {
	start := time.Now()
	podID, id, err := r.up(ctx, s, pod, network)
	if err != nil {
		return err
	}
	s.add("= pod up", time.Since(start))
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"ExecSync", func() error { return r.exec(ctx, id, "true") }},
		{"StopContainer", func() error { return r.Stop(ctx, id, 0) }},
		{"RemoveContainer", func() error { return r.Remove(ctx, id) }},
		{"StopPodSandbox", func() error { return r.StopPod(ctx, podID) }},
		{"RemovePodSandbox", func() error { return r.RemovePod(ctx, podID) }},
	} {
		if err := s.time(step.name, step.do); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// up brings a pod with a sleeping container up.
func (r *rig) up(ctx context.Context, s *samples, pod *runtime.PodSandboxConfig, network string) (podID, id string, err error) {
	err = s.time("RunPodSandbox", func() (err error) { podID, err = r.RunPod(ctx, pod); return err })
	if err != nil {
		return "", "", fmt.Errorf("RunPodSandbox: %w", err)
	}
	ctr := r.container(network, "sleep", "3600")
	err = s.time("CreateContainer", func() (err error) { id, err = r.Create(ctx, podID, pod, ctr); return err })
	if err != nil {
		return "", "", fmt.Errorf("CreateContainer: %w", err)
	}
	if err := s.time("StartContainer", func() error { return r.Start(ctx, id) }); err != nil {
		return "", "", fmt.Errorf("StartContainer: %w", err)
	}
	return podID, id, nil
}

func (r *rig) exec(ctx context.Context, id string, cmd ...string) error {
	resp, err := r.ExecSynchronously(ctx, id, cmd...)
	if err == nil && resp.ExitCode != 0 {
		err = fmt.Errorf("exit code %d: %s", resp.ExitCode, resp.Stderr)
	}
	return err
}

// execs measures ExecSync in one container, one at a time and several.
func (r *rig) execs(ctx context.Context) error {
	pod := r.config("exec", "host")
	podID, err := r.RunPod(ctx, pod)
	if err != nil {
		return err
	}
	id, err := r.Run(ctx, podID, pod, r.container("host", "sleep", "3600"))
	if err != nil {
		return err
	}
	s := newSamples()
	for _, workers := range []int{1, r.parallel} {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(workers)
		for range 3 * r.rounds {
			group.Go(func() error {
				return s.time(fmt.Sprintf("ExecSync, %d at a time", workers), func() error { return r.exec(ctx, id, "true") })
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	s.table(os.Stdout, "Exec of `true` in one container")
	return r.RemovePod(ctx, podID)
}
