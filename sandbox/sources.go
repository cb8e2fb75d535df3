// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/sandbox/spec"
)

// prepareSources sees that what the bind mounts name is there. A path that is missing becomes a directory, as with every other
// runtime (hostPath volumes of type "" depend on it, though the CRI asks for an error); Defaults.RejectAbsent turns that off.
//
// A path may lie on a file system that does not answer (a dead NFS server). Then only the goroutine that asked it is stuck: the
// creation ends with its time or its pod.
func (b *containerBuild) prepareSources(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- b.checkSources() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the sources of the bind mounts do not answer: %w", context.Cause(ctx))
	}
}

func (b *containerBuild) checkSources() error {
	for _, mt := range b.config.GetMounts() {
		path := mt.GetHostPath()
		if path == "" {
			continue
		}
		if !filepath.IsAbs(path) {
			return fmt.Errorf("mount source %s: %w: it is not absolute", path, ErrInvalid)
		}
		if err := b.prepareSource(path); err != nil {
			return err
		}
		if err := checkPropagation(mt); err != nil {
			return err
		}
	}
	return nil
}

func (b *containerBuild) prepareSource(path string) error {
	_, err := os.Stat(path)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("mount source: %w", err)
	case b.m.cfg.Defaults.RejectAbsent:
		return fmt.Errorf("mount source %s: %w: it does not exist", path, ErrInvalid)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("make mount source: %w", err)
	}
	return nil
}

// checkPropagation refuses a propagation that the node's mount cannot give (api.proto, MountPropagation).
func checkPropagation(mt *runtime.Mount) error {
	want := mt.GetPropagation()
	if want == runtime.MountPropagation_PROPAGATION_PRIVATE {
		return nil
	}
	path, err := filepath.EvalSymlinks(mt.GetHostPath())
	if err != nil {
		return fmt.Errorf("mount source: %w", err)
	}
	infos, err := mountinfo.GetMounts(mountinfo.ParentsFilter(path))
	if err != nil {
		return fmt.Errorf("mounts of the node: %w", err)
	}
	var at *mountinfo.Info
	for _, i := range infos {
		if at == nil || len(i.Mountpoint) >= len(at.Mountpoint) {
			at = i
		}
	}
	if at == nil {
		return nil
	}
	shared, slave := propagationOf(at.Optional)
	if !shared && (want == runtime.MountPropagation_PROPAGATION_BIDIRECTIONAL || !slave) {
		return fmt.Errorf("propagation %s of %s: %w: the node's mount %s is private", want, mt.GetHostPath(), ErrInvalid, at.Mountpoint)
	}
	return nil
}

// propagationOf reads the optional fields of a line of /proc/self/mountinfo: "shared:N", "master:N" (proc_pid_mountinfo(5)).
func propagationOf(optional string) (shared, slave bool) {
	for _, f := range strings.Fields(optional) {
		shared = shared || strings.HasPrefix(f, "shared:")
		slave = slave || strings.HasPrefix(f, "master:")
	}
	return shared, slave
}

// holdVolumes resolves the images of image volumes and keeps them. The record says their IDs, which the kubelet's image
// collection looks for in ContainerStatus.mounts.
func (b *containerBuild) holdVolumes(owner string) error {
	for _, mt := range b.config.GetMounts() {
		name := mt.GetImage().GetImage()
		if name == "" {
			continue
		}
		img, err := b.m.cfg.Images.Get(name)
		if err == nil {
			err = b.m.cfg.Images.Hold(img.ID, owner)
		}
		if err != nil {
			return fmt.Errorf("%w: image %s: %w", ErrImageVolume, name, err)
		}
		mt.Image.Image, mt.Image.ImageRef = img.ID, imageRef(img)
	}
	return nil
}

// mountVolumes mounts the image volumes.
func (b *containerBuild) mountVolumes(context.Context) error {
	for _, mt := range b.out.ImageMounts {
		f, err := b.m.cfg.Images.MountReadOnly(mt.GetImage().GetImage(), mt.GetImageSubPath())
		if err != nil {
			return fmt.Errorf("%w at %s: %w", ErrImageVolume, mt.GetContainerPath(), err)
		}
		if b.mounts == nil {
			b.mounts = map[string]*os.File{}
		}
		b.mounts[filepath.Join("/", mt.GetContainerPath())] = f
	}
	return nil
}

// namespaces are those that a container of the pod joins.
func (m *Manager) namespaces(p *pod, c *runtime.ContainerConfig) (spec.Namespaces, error) {
	s, o := p.status(), p.options()
	ns := spec.Namespaces{UTS: procNS(s.PausePid, "uts"), Network: s.NetNS}
	if p.hostNetwork() {
		ns.UTS = ""
	}
	if o.GetIpc() != runtime.NamespaceMode_NODE {
		ns.IPC = procNS(s.PausePid, "ipc")
	}
	uids, gids, err := spec.UserNamespace(o)
	if err != nil {
		return ns, err
	}
	if len(uids) > 0 {
		ns.User, ns.UIDs, ns.GIDs = procNS(s.PausePid, "user"), uids, gids
	}
	co := c.GetLinux().GetSecurityContext().GetNamespaceOptions()
	switch co.GetPid() {
	case runtime.NamespaceMode_POD:
		if o.GetPid() != runtime.NamespaceMode_NODE {
			ns.PID = procNS(s.PausePid, "pid")
		}
	case runtime.NamespaceMode_TARGET:
		ns.PID, err = m.targetPID(p, co.GetTargetId())
	}
	return ns, err
}

// targetPID is the PID namespace of another container of the pod, which has one of its own and runs.
func (m *Manager) targetPID(p *pod, id string) (string, error) {
	c, err := m.index.container(id)
	if err != nil {
		return "", fmt.Errorf("PID namespace target: %w", err)
	}
	if c.rec.PodID != p.rec.ID || c.securityContext().GetNamespaceOptions().GetPid() != runtime.NamespaceMode_CONTAINER {
		return "", fmt.Errorf("PID namespace target %s: %w: it is not a container of this pod with a PID namespace of its own", id, ErrInvalid)
	}
	if c.state() != runtime.ContainerState_CONTAINER_RUNNING {
		return "", fmt.Errorf("PID namespace target %s: %w: it is %s", id, ErrState, stateWord(c.state()))
	}
	return procNS(c.status().Pid, "pid"), nil
}
