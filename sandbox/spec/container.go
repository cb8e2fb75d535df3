// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Container returns the config.json of a container and the identity its process gets. Errors that wrap ErrInvalid are the caller's.
func Container(in ContainerInput) (*ContainerSpec, error) {
	sc := in.Config.GetLinux().GetSecurityContext()
	if err := checkContainer(in); err != nil {
		return nil, err
	}
	user, err := resolveUser(sc, in.Image.User, in.Rootfs)
	if err != nil {
		return nil, err
	}
	proc, err := process(in, user)
	if err != nil {
		return nil, err
	}
	proc.NoNewPrivileges = sc.GetNoNewPrivs()
	s := &specs.Spec{Version: specs.Version, Process: proc, Root: &specs.Root{Path: "rootfs", Readonly: sc.GetReadonlyRootfs()}}
	images, err := fillLinux(s, in)
	if err != nil {
		return nil, err
	}
	if err := fillSecurity(s, in); err != nil {
		return nil, err
	}
	return &ContainerSpec{Spec: s, User: user, ImageMounts: images}, nil
}

// checkContainer refuses what the pod does not allow or cannot have.
func checkContainer(in ContainerInput) error {
	sc := in.Config.GetLinux().GetSecurityContext()
	pod := in.Pod.GetLinux().GetSecurityContext()
	if sc.GetPrivileged() && !pod.GetPrivileged() {
		return invalid("privileged", "the sandbox does not allow privileged containers")
	}
	if sc.GetPrivileged() && in.Namespaces.User != "" {
		return invalid("privileged", "the pod has a user namespace")
	}
	c, p := sc.GetNamespaceOptions(), pod.GetNamespaceOptions()
	if c != nil && (c.GetNetwork() != p.GetNetwork() || c.GetIpc() != p.GetIpc()) {
		return invalid("namespace_options", "network and ipc must be the sandbox's")
	}
	if (c.GetPid() == runtime.NamespaceMode_NODE) != (p.GetPid() == runtime.NamespaceMode_NODE) && c.GetPid() == runtime.NamespaceMode_NODE {
		return invalid("namespace_options.pid", "NODE needs a sandbox with pid NODE")
	}
	if _, _, err := UserNamespace(c); err != nil {
		return err
	}
	if len(in.Config.GetCDIDevices()) > 0 {
		return fmt.Errorf("CDI_devices: %w: crisp has no CDI yet", ErrUnsupported)
	}
	return checkSELinux(sc.GetSelinuxOptions(), in.Host)
}

// fillLinux sets mounts, namespaces, devices and limits.
func fillLinux(s *specs.Spec, in ContainerInput) (images []*runtime.Mount, err error) {
	if s.Mounts, images, err = mounts(in); err != nil {
		return nil, err
	}
	res, err := Resources(in.Config.GetLinux().GetResources(), in.Host)
	if err != nil {
		return nil, err
	}
	s.Linux = &specs.Linux{
		Namespaces: containerNamespaces(in), CgroupsPath: in.CgroupsPath, Resources: res, RootfsPropagation: rootPropagation(s.Mounts),
	}
	if in.Namespaces.User != "" {
		s.Linux.UIDMappings, s.Linux.GIDMappings = in.Namespaces.UIDs, in.Namespaces.GIDs
	}
	s.Linux.Devices, res.Devices, err = devices(in)
	return images, err
}

// fillSecurity sets capabilities, masks and profiles; seccomp last, since the default profile depends on the capabilities.
func fillSecurity(s *specs.Spec, in ContainerInput) (err error) {
	sc := in.Config.GetLinux().GetSecurityContext()
	if s.Process.Capabilities, err = capabilities(sc, in.Host); err != nil {
		return err
	}
	if !sc.GetPrivileged() {
		s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = sc.GetMaskedPaths(), sc.GetReadonlyPaths()
	}
	if s.Process.ApparmorProfile, err = appArmorProfile(sc, in.Host); err != nil {
		return err
	}
	s.Linux.Seccomp, err = seccompProfile(sc, s)
	return err
}
