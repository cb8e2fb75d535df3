// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/isolate"
)

// memory measures what pods cost beside their workloads: the proportional set size (PSS) of every process that came with them but is
// neither a workload nor the daemon, and the drop of MemAvailable, which holds the kernel's part too.
func (r *rig) memory(ctx context.Context) error {
	const network = "host"
	before, err := r.usage(nil)
	if err != nil {
		return err
	}
	ids, err := r.fill(ctx, newSamples(), network, r.parallel)
	if err != nil {
		return err
	}
	workloads := map[int]bool{}
	for _, id := range ids {
		pid, err := r.firstProcess(ctx, id)
		if err != nil {
			return err
		}
		workloads[pid] = true
	}
	// What a burst leaves for the collector is not what a pod costs.
	select {
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	after, err := r.usage(workloads)
	if err != nil {
		return err
	}
	n := int64(r.pods)
	fmt.Printf("\nMemory of %d pods with one `sleep` each, %s network\n\n| KiB | a pod |\n|---|---|\n", n, network)
	fmt.Printf("| PSS of monitors, pauses, shims | %d |\n", (after.others-before.others)/n)
	fmt.Printf("| PSS of the daemon, growth | %d |\n", (after.daemon-before.daemon)/n)
	fmt.Printf("| PSS of the workload | %d |\n", after.workloads/n)
	fmt.Printf("| MemAvailable, drop without the workload's PSS | %d |\n", (before.available-after.available-after.workloads)/n)
	fmt.Printf("\nThe daemon: %d KiB PSS before, %d with the pods.\n", before.daemon, after.daemon)
	return r.empty(ctx)
}

// usage is in KiB. Others are all other processes in sight; kernel threads have none.
type usage struct{ daemon, workloads, others, available int64 }

func (r *rig) usage(workloads map[int]bool) (usage, error) {
	var u usage
	pids, err := processes()
	if err != nil {
		return u, err
	}
	for _, pid := range pids {
		pss, ok := field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
		switch {
		case !ok: // gone, or a kernel thread
		case pid == os.Getpid():
		case pid == r.pid():
			u.daemon += pss
		case workloads[pid]:
			u.workloads += pss
		default:
			u.others += pss
		}
	}
	var ok bool
	if u.available, ok = field("/proc/meminfo", "MemAvailable:"); !ok {
		return u, fmt.Errorf("no MemAvailable in /proc/meminfo")
	}
	return u, nil
}

// processes are those of the lane, or for a foreign runtime all of the machine.
func processes() ([]int, error) {
	if outer := isolate.Outer(); outer != 0 {
		return isolate.Descendants(outer)
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// field reads "NAME   123 kB" (proc_pid_smaps(5), proc_meminfo(5)).
func field(path, name string) (int64, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(data) {
		if f := strings.Fields(string(line)); len(f) > 1 && f[0] == name {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// firstProcess is a container's pid, from where every runtime tells it: the key "pid" of the verbose status' "info".
func (r *rig) firstProcess(ctx context.Context, id string) (int, error) {
	resp, err := r.ContainerStatus(ctx, &runtime.ContainerStatusRequest{ContainerId: id, Verbose: true})
	if err != nil {
		return 0, err
	}
	var info struct{ Pid int }
	if err := json.Unmarshal([]byte(resp.Info["info"]), &info); err != nil || info.Pid == 0 {
		return 0, fmt.Errorf("no pid in the verbose status of %s (%v)", id, err)
	}
	return info.Pid, nil
}
