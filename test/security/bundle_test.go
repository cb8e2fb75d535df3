// SPDX-License-Identifier: Apache-2.0

package security

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// bundle is a bundle in the making.
type bundle struct {
	b      *bench
	dir    string
	rootfs string
	spec   *specs.Spec
}

// defaultCapabilities are what containers of docker and podman get.
var defaultCapabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP",
	"CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
}

// bundle makes one whose workload is the attacker, with the settings of an ordinary container.
func (b *bench) bundle(args ...string) *bundle {
	b.Helper()
	k := &bundle{b: b, dir: b.make("bundle-" + b.id())}
	k.rootfs = b.make(filepath.Base(k.dir) + "/rootfs")
	k.install("attacker")
	k.spec = ordinary(append([]string{"/attacker"}, args...))
	k.spec.Linux.CgroupsPath = testCgroup + "/" + b.id()
	return k
}

// install puts the attacker into the root file system.
func (k *bundle) install(name string) {
	k.b.Helper()
	program, err := theAttacker()
	if err != nil {
		k.b.Fatal(err)
	}
	if err := os.Link(program, filepath.Join(k.rootfs, name)); err == nil {
		return
	}
	k.b.file(filepath.Join(k.rootfs, name), read(k.b, program), 0o755)
}

func ordinary(args []string) *specs.Spec {
	caps := defaultCapabilities
	return &specs.Spec{
		Version: "1.0.2",
		Process: &specs.Process{
			Args: args, Cwd: "/", Env: []string{"PATH=/"},
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		},
		Root:     &specs.Root{Path: "rootfs"},
		Hostname: "target",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
				{Type: specs.NetworkNamespace}, {Type: specs.CgroupNamespace},
			},
			Resources:     &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}},
			MaskedPaths:   []string{"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"},
			ReadonlyPaths: []string{"/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
}

// without drops a mount.
func (k *bundle) without(destinations ...string) *bundle {
	var kept []specs.Mount
next:
	for _, m := range k.spec.Mounts {
		for _, d := range destinations {
			if m.Destination == d {
				continue next
			}
		}
		kept = append(kept, m)
	}
	k.spec.Mounts = kept
	return k
}

// bind adds a bind mount.
func (k *bundle) bind(source, destination string, options ...string) *bundle {
	k.spec.Mounts = append(k.spec.Mounts, specs.Mount{
		Destination: destination, Type: "bind", Source: source, Options: append([]string{"rbind", "rprivate"}, options...),
	})
	return k
}

// capabilities sets all sets but the inheritable and ambient ones.
func (k *bundle) capabilities(caps ...string) *bundle {
	k.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps}
	return k
}

func (k *bundle) save() {
	k.b.Helper()
	text, err := json.Marshal(k.spec)
	if err != nil {
		k.b.Fatal(err)
	}
	k.b.file(filepath.Join(k.dir, "config.json"), string(text), 0o644)
}

// run runs the container to its end and removes it.
func (k *bundle) run(flags ...string) result {
	k.b.Helper()
	k.save()
	id := k.b.id()
	r := k.b.command(append(append([]string{"run", "--bundle", k.dir}, flags...), id)...)
	k.b.forget(id)
	return r
}
