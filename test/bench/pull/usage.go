// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"crisp/test/isolate"
)

// usage is what a daemon and its children, dead ones included, have taken so far.
type usage struct {
	cpu     time.Duration
	written int64 // bytes that were to go to disks (proc_pid_io(5), write_bytes)
	peak    int64 // KiB resident of the daemon alone, since resetPeak
}

func (u usage) since(before usage) usage {
	return usage{cpu: u.cpu - before.cpu, written: u.written - before.written, peak: u.peak}
}

// clockTick is USER_HZ, 100 on every Linux that Go runs on (time(7)).
const clockTick = time.Second / 100

func usageOf(pid int) (usage, error) {
	var u usage
	pids, err := isolate.Descendants(pid)
	if err != nil {
		return u, err
	}
	for _, p := range append(pids, pid) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return u, err
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // fields[0] is field 3
		for _, i := range []int{14, 15, 16, 17} {                                 // utime, stime and those of waited-for children
			n, err := strconv.ParseInt(fields[i-3], 10, 64)
			if err != nil {
				return u, fmt.Errorf("/proc/%d/stat: %w", p, err)
			}
			u.cpu += time.Duration(n) * clockTick
		}
		n, err := field(fmt.Sprintf("/proc/%d/io", p), "write_bytes:")
		if err != nil {
			return u, err
		}
		u.written += n
	}
	u.peak, err = field(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:")
	return u, err
}

// resetPeak makes the peak of a process what it has now (proc_pid_clear_refs(5)).
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// field is the number behind a name in a file of /proc.
func field(path, name string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) > 1 && f[0] == name {
			return strconv.ParseInt(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, name)
}
