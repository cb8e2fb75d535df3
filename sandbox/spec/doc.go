// SPDX-License-Identifier: Apache-2.0

// Package spec turns what the CRI says about a pod or a container into an OCI runtime-spec config.json.
//
// It decides nothing about time or state: the same input gives the same config, which is golden-tested. The only things it
// looks at are those named in its input: the image's root (for /etc/passwd and /etc/group), the seccomp profile files named by a
// Localhost profile, and the device nodes named by the config.
//
// # Terms
//
//   - the pod's namespaces: those of its pause container, joined by path
//   - generated files: hostname, resolv.conf and the shm directory, which the sandbox package has made for the pod
//   - default mounts: what every container gets (proc, sysfs, dev, ...); a CRI mount at the same place replaces the default
//
// # Example
//
//	out, err := spec.Container(spec.ContainerInput{ID: id, Config: req.Config, Pod: req.SandboxConfig, Image: img.Config.Config, ...})
//	// out.Spec goes to oci.Runtime.Create, out.User to ContainerStatus.user
package spec
