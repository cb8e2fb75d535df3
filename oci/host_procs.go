// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"io"
	"os"

	"github.com/moby/sys/mountinfo"
)

// hostProcs are where procfs and sysfs are mounted, in the order of the mounts, as a text like /proc/self/mountinfo tells.
func hostProcs(mounts io.Reader) ([]string, error) {
	all, err := mountinfo.GetMountsFromReader(mounts, mountinfo.FSTypeFilter("proc", "sysfs"))
	if err != nil {
		return nil, fmt.Errorf("parse /proc/self/mountinfo: %w", err)
	}
	var paths []string
	for _, m := range all {
		paths = append(paths, m.Mountpoint)
	}
	return paths, nil
}

// lookForProcs finds what a plan without pivot_root hides.
func (o *CompileOptions) lookForProcs() error {
	if !o.NoPivot {
		return nil
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer f.Close()
	o.HostProcs, err = hostProcs(f)
	return err
}
