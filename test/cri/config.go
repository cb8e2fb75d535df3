// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"crypto/rand"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Pod is the config of a pod on the pod network, with a uid of its own and everything else left to defaults.
func Pod(name string) *runtime.PodSandboxConfig {
	return &runtime.PodSandboxConfig{
		Metadata: &runtime.PodSandboxMetadata{Name: name, Namespace: "default", Uid: rand.Text()},
		Hostname: name,
		Linux: &runtime.LinuxPodSandboxConfig{SecurityContext: &runtime.LinuxSandboxSecurityContext{
			NamespaceOptions: &runtime.NamespaceOption{Pid: runtime.NamespaceMode_CONTAINER},
		}},
	}
}

// HostNetwork makes the pod use the node's network.
func HostNetwork(pod *runtime.PodSandboxConfig) *runtime.PodSandboxConfig {
	pod.Linux.SecurityContext.NamespaceOptions.Network = runtime.NamespaceMode_NODE
	pod.Hostname = ""
	return pod
}

// Container is the config of a container that runs cmd (none: the image's own), as a kubelet sends it for a plain pod: with
// masked and read-only paths, without limits.
func Container(name, image string, cmd ...string) *runtime.ContainerConfig {
	return &runtime.ContainerConfig{
		Metadata: &runtime.ContainerMetadata{Name: name},
		Image:    &runtime.ImageSpec{Image: image},
		Command:  cmd,
		Linux: &runtime.LinuxContainerConfig{
			Resources: &runtime.LinuxContainerResources{},
			SecurityContext: &runtime.LinuxContainerSecurityContext{
				NamespaceOptions: &runtime.NamespaceOption{Pid: runtime.NamespaceMode_CONTAINER},
				MaskedPaths:      maskedPaths(),
				ReadonlyPaths:    []string{"/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
			},
		},
	}
}

// maskedPaths are what a kubelet masks on Linux by default (k8s.io/kubernetes/pkg/securitycontext/util.go).
func maskedPaths() []string {
	return []string{
		"/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
		"/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
	}
}

// Logged gives the container a log file, below the pod's log directory.
func Logged(ctr *runtime.ContainerConfig) *runtime.ContainerConfig {
	ctr.LogPath = ctr.Metadata.Name + ".log"
	return ctr
}
