// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// restartRounds are enough for a median.
const restartRounds = 5

// restarts kills the daemon under its pods and measures when it answers again and knows all of them.
func (r *rig) restarts(ctx context.Context) error {
	if r.restart == nil {
		fmt.Println("\nRestart: not measured, it needs -daemon and -start")
		return nil
	}
	if _, err := r.fill(ctx, newSamples(), "host", r.parallel); err != nil {
		return err
	}
	s := newSamples()
	for range restartRounds {
		start := time.Now()
		if err := r.restart(ctx); err != nil {
			return err
		}
		s.add("first answer to Version", time.Since(start))
		if err := r.allRunning(ctx); err != nil {
			return err
		}
		s.add("all containers listed as running", time.Since(start))
	}
	s.table(os.Stdout, fmt.Sprintf("kill -9 and start with %d pods", r.pods))
	return r.empty(ctx)
}

// allRunning asks until every pod's container runs.
func (r *rig) allRunning(ctx context.Context) error {
	for {
		resp, err := r.ListContainers(ctx, &runtime.ListContainersRequest{Filter: &runtime.ContainerFilter{
			State: &runtime.ContainerStateValue{State: runtime.ContainerState_CONTAINER_RUNNING},
		}})
		if err == nil && len(resp.Containers) == r.pods {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// killAndStart restarts a foreign daemon and waits for its first answer.
func (r *rig) killAndStart(ctx context.Context) error {
	pid := r.pid()
	if pid == 0 {
		return fmt.Errorf("no process is named %q", r.daemon)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return fmt.Errorf("kill %d: %w", pid, err)
	}
	if out, err := exec.CommandContext(ctx, "sh", "-c", r.start).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", r.start, err, out)
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := r.Version(ctx, &runtime.VersionRequest{}, grpc.WaitForReady(true)); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pidOf is the first process with a command name; 0: none, or no name.
func pidOf(comm string) int {
	files, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil || comm == "" {
		return 0
	}
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil && strings.TrimSpace(string(data)) == comm {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			if err == nil {
				return pid
			}
		}
	}
	return 0
}
