// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// bundle is a directory with a config.json that all runtimes read, and a root file system that all bundles share.
type bundle struct{ dir string }

// bundles makes them: one is `spec` of a runtime, with other arguments.
type bundles struct {
	dir    string
	cgroup string // above the containers' cgroups
}

// variant is a way to change the common configuration.
type variant struct {
	name string
	edit func(*specs.Spec) error
}

func plain(*specs.Spec) error { return nil }

// defaultSeccomp is docker's and containerd's profile.
func defaultSeccomp(s *specs.Spec) (err error) {
	s.Linux.Seccomp, err = seccomp.GetDefaultProfile(s)
	return err
}

func memoryLimit(bytes int64) func(*specs.Spec) error {
	return func(s *specs.Spec) error {
		s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &bytes}
		return nil
	}
}

func sleeping(s *specs.Spec) error {
	s.Process.Args = []string{"/bin/sleep", "1000"}
	return nil
}

// newBundles makes the root file system.
func newBundles(ctx context.Context, dir string) (*bundles, error) {
	bin := filepath.Join(dir, "rootfs", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return nil, err
	}
	workload := filepath.Join(bin, "true")
	if err := compile(ctx, workloadSource, workload); err != nil {
		return nil, err
	}
	if err := os.Link(workload, filepath.Join(bin, "sleep")); err != nil {
		return nil, err
	}
	return &bundles{dir: dir, cgroup: fmt.Sprintf("/crisp-bench-oci-%d", os.Getpid())}, nil
}

func (b *bundles) make(v variant) (bundle, error) {
	s := common(filepath.Join(b.dir, "rootfs"), b.cgroup+"/c")
	if err := v.edit(s); err != nil {
		return bundle{}, fmt.Errorf("bundle %s: %w", v.name, err)
	}
	data, err := json.Marshal(s)
	if err != nil {
		return bundle{}, err
	}
	dir := filepath.Join(b.dir, v.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return bundle{}, err
	}
	return bundle{dir: dir}, os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644)
}

// common is what `runc spec` writes, without a terminal and with a cgroup of the benchmark's.
func common(rootfs, cgroup string) *specs.Spec {
	caps := []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	deny := specs.LinuxDeviceCgroup{Access: "rwm"}
	return &specs.Spec{
		Version:  "1.0.2", // Debian's crun and runc know no newer one
		Root:     &specs.Root{Path: rootfs, Readonly: true},
		Hostname: "bench",
		Process: &specs.Process{
			Args: []string{"/bin/true"}, Cwd: "/", NoNewPrivileges: true,
			Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"},
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
			Rlimits:      []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 1024, Soft: 1024}},
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
			{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
		},
		Linux: &specs.Linux{
			CgroupsPath: cgroup,
			Resources:   &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{deny}},
			Namespaces: []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.NetworkNamespace}, {Type: specs.IPCNamespace},
				{Type: specs.UTSNamespace}, {Type: specs.MountNamespace}, {Type: specs.CgroupNamespace}},
			MaskedPaths: []string{"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
				"/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
}

func readPID(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
}

func kill(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %d: %w", pid, err)
	}
	return nil
}
