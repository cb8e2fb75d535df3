// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func alive(pid int) bool { return !errors.Is(unix.Kill(pid, 0), unix.ESRCH) }

// touchInContainer makes a file below the root directory of a process.
func touchInContainer(t *testing.T, pid int, path string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join("/proc", itoa(pid), "root", path), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// cgroupFile reads a control file of a process' cgroup, by its name in cgroup v1 (hierarchy/file) or v2.
func cgroupFile(t *testing.T, pid int, v1, v2 string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", itoa(pid), "cgroup"))
	if err != nil {
		t.Fatal(err)
	}
	controller, name, _ := strings.Cut(v1, "/")
	path := ""
	for line := range strings.Lines(string(data)) {
		// cgroups(7): hierarchy-ID:controller-list:path
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if f[1] == "" && path == "" {
			path = filepath.Join("/sys/fs/cgroup", f[2], v2)
		}
		for c := range strings.SplitSeq(f[1], ",") {
			if c == controller {
				path = filepath.Join("/sys/fs/cgroup", controller, f[2], name)
			}
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// zombie is true for a process that has ended and was not reaped yet.
func zombie(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", itoa(pid), "stat"))
	return err == nil && strings.Contains(string(stat), ") Z ")
}
