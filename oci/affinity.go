// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"os"
	"strings"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// resetAffinity has the process run on all CPUs that its cgroup allows, where whoever makes it may not: that somebody started the runtime, or the daemon,
// with fewer says nothing about containers (runc does so since 1.4).
func (a *assembly) resetAffinity() {
	if !a.opts.AllCPUs {
		return
	}
	a.about("run on all CPUs of the cgroup")
	a.step(plan.OpSchedSetaffinity).Blob = bytes.Repeat([]byte{0xff}, maxCPUs/8)
}

// narrowed says whether this process may not run on all CPUs of the machine.
func narrowed() bool {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return false
	}
	online, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return false
	}
	mask, err := cpuMask(strings.TrimSpace(string(online)))
	if err != nil {
		return false
	}
	for i, b := range mask {
		for bit := range 8 {
			if b&(1<<bit) != 0 && !set.IsSet(8*i+bit) {
				return true
			}
		}
	}
	return false
}
