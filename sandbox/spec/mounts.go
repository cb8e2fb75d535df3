// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// defaultMounts are what every container gets (runtime-spec, config-linux.md "Default Filesystems", and what the field adds).
func defaultMounts(in ContainerInput) []specs.Mount {
	privileged := in.Config.GetLinux().GetSecurityContext().GetPrivileged()
	access := "ro"
	if privileged {
		access = "rw"
	}
	m := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		sysMount(in, access),
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", access}},
	}
	for _, g := range []struct{ to, from string }{{"/etc/hostname", in.Files.Hostname}, {"/etc/resolv.conf", in.Files.ResolvConf}, {"/etc/hosts", in.Files.Hosts}} {
		if g.from != "" {
			m = append(m, specs.Mount{Destination: g.to, Type: "bind", Source: g.from, Options: generatedOptions(in)})
		}
	}
	if in.Files.Shm != "" {
		m = append(m, specs.Mount{Destination: "/dev/shm", Type: "bind", Source: in.Files.Shm, Options: []string{"rbind", "nosuid", "noexec", "nodev", "rprivate"}})
	}
	return m
}

// sysMount is a fresh sysfs, or the node's bound read-only where the container's user namespace does not own its network namespace,
// in which mounting sysfs is refused (sysfs(5)).
func sysMount(in ContainerInput, access string) specs.Mount {
	if in.Namespaces.User != "" && in.Namespaces.Network == "" {
		return specs.Mount{Destination: "/sys", Type: "bind", Source: "/sys", Options: []string{"rbind", "nosuid", "noexec", "nodev", "ro", "rslave"}}
	}
	return specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", access}}
}

func generatedOptions(in ContainerInput) []string {
	o := []string{"rbind", "rprivate", "nosuid", "nodev", "noexec"}
	if in.Config.GetLinux().GetSecurityContext().GetReadonlyRootfs() {
		o = append(o, "ro")
	}
	return o
}

// mounts merges the defaults with the CRI's, which win at the same place, and orders them so that parents come first. It also
// returns the CRI's image volumes.
func mounts(in ContainerInput) (all []specs.Mount, images []*runtime.Mount, err error) {
	own := map[string]bool{}
	var cri []specs.Mount
	for _, m := range in.Config.GetMounts() {
		sm, err := criMount(m)
		if err != nil {
			return nil, nil, fmt.Errorf("mount %s: %w", m.GetContainerPath(), err)
		}
		own[sm.Destination] = true
		cri = append(cri, sm)
		if m.GetImage().GetImage() != "" {
			images = append(images, m)
		}
	}
	for _, d := range defaultMounts(in) {
		covered := own[d.Destination] || own["/dev"] && strings.HasPrefix(d.Destination, "/dev/")
		if !covered {
			all = append(all, d)
		}
	}
	all = append(all, cri...)
	slices.SortStableFunc(all, func(a, b specs.Mount) int { return depth(a.Destination) - depth(b.Destination) })
	return all, images, nil
}

func depth(p string) int {
	if p == "/" {
		return 0
	}
	return strings.Count(p, "/")
}

// cleanAbs reads a path as below "/"; a relative one as if it started there.
func cleanAbs(p string) string { return path.Clean("/" + p) }

// criMount turns one CRI mount into OCI's. The source's existence and its propagation are the caller's to check: they are facts of
// the node, not of the config.
func criMount(m *runtime.Mount) (specs.Mount, error) {
	if m.GetContainerPath() == "" || strings.ContainsRune(m.GetContainerPath()+m.GetHostPath(), 0) {
		return specs.Mount{}, invalid("container_path", "is empty or has a NUL byte")
	}
	out := specs.Mount{Destination: cleanAbs(m.GetContainerPath()), Type: "bind", Source: m.GetHostPath()}
	if out.Destination == "/" {
		return specs.Mount{}, invalid("container_path", "/ is the root file system")
	}
	if m.GetImage().GetImage() != "" {
		return imageMount(m, out)
	}
	if m.GetHostPath() == "" {
		return specs.Mount{}, invalid("host_path", "is empty")
	}
	if err := checkRecursiveReadOnly(m); err != nil {
		return specs.Mount{}, err
	}
	propagation, ok := propagationOption[m.GetPropagation()]
	if !ok {
		return specs.Mount{}, invalid("propagation", fmt.Sprintf("%d is unknown", m.GetPropagation()))
	}
	out.Options = []string{"rbind", propagation}
	switch {
	case m.GetRecursiveReadOnly():
		out.Options = append(out.Options, "rro")
	case m.GetReadonly():
		out.Options = append(out.Options, "ro")
	default:
		out.Options = append(out.Options, "rw")
	}
	for _, o := range m.GetMountOptions() {
		if !slices.Contains(bindOptions, o) {
			return specs.Mount{}, invalid("mount_options", fmt.Sprintf("%q is none of %v", o, bindOptions))
		}
		out.Options = append(out.Options, o)
	}
	out.UIDMappings, out.GIDMappings = idMappings(m.GetUidMappings()), idMappings(m.GetGidMappings())
	return out, nil
}

// bindOptions are the mount_options that a bind mount can take (KEP-5855).
var bindOptions = []string{"noexec", "nodev", "nosuid", "noatime", "nodiratime", "relatime", "nosymfollow"}

var propagationOption = map[runtime.MountPropagation]string{
	runtime.MountPropagation_PROPAGATION_PRIVATE:           "rprivate",
	runtime.MountPropagation_PROPAGATION_HOST_TO_CONTAINER: "rslave",
	runtime.MountPropagation_PROPAGATION_BIDIRECTIONAL:     "rshared",
}

func checkRecursiveReadOnly(m *runtime.Mount) error {
	if !m.GetRecursiveReadOnly() {
		return nil
	}
	if !m.GetReadonly() {
		return invalid("recursive_read_only", "needs readonly")
	}
	if m.GetPropagation() != runtime.MountPropagation_PROPAGATION_PRIVATE {
		return invalid("recursive_read_only", "needs private propagation")
	}
	return nil
}

// imageMount is an image volume (KEP-4639): read-only always.
func imageMount(m *runtime.Mount, out specs.Mount) (specs.Mount, error) {
	if m.GetHostPath() != "" {
		return out, invalid("host_path", "an image volume has none")
	}
	if !m.GetReadonly() {
		return out, invalid("readonly", "an image volume must be read-only")
	}
	out.Options = []string{"rbind", "rprivate", "ro"}
	return out, nil
}

// rootPropagation is the propagation that the root needs so that the mounts' own can work: shared when one is shared.
func rootPropagation(ms []specs.Mount) string {
	out := ""
	for _, m := range ms {
		if slices.Contains(m.Options, "rshared") {
			return "rshared"
		}
		if slices.Contains(m.Options, "rslave") {
			out = "rslave"
		}
	}
	return out
}
