// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"encoding/json"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/sandbox/record"
	"crisp/sandbox/signals"
)

// ContainerStatus answers for one container; Info is filled when verbose.
func (m *Manager) ContainerStatus(id string, verbose bool) (*runtime.ContainerStatusResponse, error) {
	c, err := m.index.container(id)
	if err != nil {
		return nil, err
	}
	r := &runtime.ContainerStatusResponse{Status: containerStatus(c)}
	if verbose {
		r.Info = m.containerInfo(c)
	}
	return r, nil
}

func containerStatus(c *container) *runtime.ContainerStatus {
	v := c.view.Load()
	s := &runtime.ContainerStatus{
		Id: v.item.Id, Metadata: v.item.Metadata, State: v.item.State, CreatedAt: v.item.CreatedAt, StartedAt: v.status.StartedAt,
		Image: v.item.Image, ImageRef: v.item.ImageRef, ImageId: v.item.ImageId, Labels: v.item.Labels, Annotations: v.item.Annotations,
		Mounts: c.mounts(), LogPath: c.logPath(), Resources: &runtime.ContainerResources{Linux: v.status.Resources},
		User: containerUser(&v.status), StopSignal: signals.CRI(unix.Signal(v.status.StopSignal)),
	}
	switch e := v.status.Exit; {
	case e != nil:
		s.FinishedAt, s.ExitCode, s.Reason, s.Message = e.FinishedAt, e.Code, e.Reason, e.Message
	default:
		if stuck := c.stop.blocked(); stuck != nil {
			s.Message = "stopping, blocked: " + stuck.Error()
		}
	}
	return s
}

func containerUser(s *record.ContainerStatus) *runtime.ContainerUser {
	u := &runtime.LinuxContainerUser{Uid: int64(s.UID), Gid: int64(s.GID)}
	for _, g := range s.Groups {
		u.SupplementalGroups = append(u.SupplementalGroups, int64(g))
	}
	return &runtime.ContainerUser{Linux: u}
}

// mounts are as they were asked for, container_path verbatim: the kubelet finds the termination message by it.
func (c *container) mounts() []*runtime.Mount {
	return c.rec.Config.GetMounts()
}

// logPath is absolute; "" when the container has no log.
func (c *container) logPath() string {
	dir, path := c.pod.rec.Config.GetLogDirectory(), c.rec.Config.GetLogPath()
	if dir == "" || path == "" {
		return ""
	}
	return filepath.Join(dir, path)
}

// containerInfo is what tools read from "crictl inspect": the key "info" with pid, sandboxID and runtimeSpec.
func (m *Manager) containerInfo(c *container) map[string]string {
	bundle := m.dirs.bundleFile(c.rec.PodID, c.rec.ID)
	spec, err := os.ReadFile(bundle)
	if err != nil || !json.Valid(spec) {
		spec = []byte("null")
	}
	s := c.status()
	data, err := json.Marshal(struct {
		SandboxID   string          `json:"sandboxID"`
		Pid         int             `json:"pid"`
		Privileged  bool            `json:"privileged"`
		Cgroup      string          `json:"cgroup"`
		BootID      string          `json:"bootID"`
		Directory   string          `json:"directory"`
		RuntimeSpec json.RawMessage `json:"runtimeSpec"`
		Config      any             `json:"config"`
	}{c.rec.PodID, s.Pid, c.securityContext().GetPrivileged(), c.rec.Cgroup, s.BootID, c.dir, spec, c.rec.Config})
	if err != nil {
		return nil
	}
	return map[string]string{"info": string(data)}
}
