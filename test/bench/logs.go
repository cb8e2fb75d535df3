// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
)

// logMegabytes is what one container writes in the log measurement.
const logMegabytes = 200

// logThroughput lets one container write lines of 100 bytes as fast as they are taken.
func (r *rig) logThroughput(ctx context.Context) error {
	script := fmt.Sprintf("yes %099d | head -c 1000000 > /lines; i=0; while [ $i -lt %d ]; do cat /lines; i=$((i+1)); done", 0, logMegabytes)
	pod := r.config("logs", "host")
	if err := os.MkdirAll(pod.LogDirectory, 0o755); err != nil {
		return err
	}
	ctr := cri.Logged(r.container("host", "sh", "-c", script))
	podID, err := r.RunPod(ctx, pod)
	if err != nil {
		return err
	}
	id, err := r.Run(ctx, podID, pod, ctr)
	if err != nil {
		return err
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	var s *runtime.ContainerStatus
	for s.GetState() != runtime.ContainerState_CONTAINER_EXITED {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if s, err = r.Container(ctx, id); err != nil {
			return err
		}
	}
	file, err := os.Stat(filepath.Join(pod.LogDirectory, ctr.LogPath))
	if err != nil {
		return err
	}
	took := time.Duration(s.FinishedAt - s.StartedAt)
	fmt.Printf("\nLog throughput: %d MB in lines of 100 bytes in %s ms, %.0f MB/s; the log has %.0f MB\n",
		logMegabytes, milliseconds(took), logMegabytes/took.Seconds(), float64(file.Size())/1e6)
	return r.RemovePod(ctx, podID)
}
