// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Namespaces are the paths of a pod's namespaces (/proc/PID/ns/X or a pin). An empty path means the node's namespace.
type Namespaces struct {
	Network, IPC, UTS string
	// PID is the namespace to join: the pod's shared one, or a target container's. "" means a new one, unless HostPID.
	PID string
	// User is the pod's user namespace, "" when it has none. UIDs and GIDs are its mappings, from the pod's config.
	User       string
	UIDs, GIDs []specs.LinuxIDMapping
}

// Files are the host paths of what the sandbox package generated for the pod. An empty path means: not mounted.
type Files struct{ Hostname, ResolvConf, Hosts, Shm string }

// Host is what the node offers, read once by the caller.
type Host struct {
	// Capabilities are the names ("CAP_X") of the daemon's bounding set: "ALL" and privileged mean these, not all that exist.
	Capabilities []string
	// DefaultCapabilities are given to a container that asks for nothing. nil: DefaultCapabilities of this package.
	DefaultCapabilities []string
	CgroupV2            bool
	AppArmor, SELinux   bool
}

// PodInput is what Pod needs.
type PodInput struct {
	ID          string // of the sandbox
	Config      *runtime.PodSandboxConfig
	Namespaces  Namespaces // Network: the pod's pin; IPC, UTS and PID are made new where the config asks for the pod's own
	CgroupsPath string     // absolute, or slice:crisp:ID
	Root        string     // an empty directory
	Host        Host
}

// ContainerInput is what Container needs.
type ContainerInput struct {
	ID, PodID  string
	Config     *runtime.ContainerConfig
	Pod        *runtime.PodSandboxConfig
	Image      ocispec.ImageConfig
	Rootfs     *os.File // detached mount of the root file system, for user lookup; nil only in tests without names
	Namespaces Namespaces
	Files      Files
	// Hostname is the pod's, or the node's for a pod in the node's network namespace: the environment variable HOSTNAME.
	Hostname    string
	CgroupsPath string
	Host        Host
}

// ContainerSpec is a container's config.json and what the CRI reports about it.
type ContainerSpec struct {
	Spec *specs.Spec
	User User
	// ImageMounts are the CRI's image volumes: their spec mounts have type "bind" and no source; the caller mounts the image
	// and gives the fd to oci by destination.
	ImageMounts []*runtime.Mount
}
