// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Container is what a container was asked to be.
type Container struct {
	ID        string
	PodID     string
	BootID    string
	CreatedAt int64  // Unix nanoseconds
	Cgroup    string // as linux.cgroupsPath
	ImageID   string // "sha256:…"
	ImageRef  string // digested reference
	ImageName string // a tag of the image when there is one
	Config    *runtime.ContainerConfig
}

type containerFile struct {
	header
	ID        string          `json:"id"`
	PodID     string          `json:"pod_id"`
	BootID    string          `json:"boot_id"`
	CreatedAt int64           `json:"created_at"`
	Cgroup    string          `json:"cgroup"`
	ImageID   string          `json:"image_id"`
	ImageRef  string          `json:"image_ref"`
	ImageName string          `json:"image_name,omitempty"`
	Config    json.RawMessage `json:"config"`
}

// Encode returns the content of record.json.
func (c *Container) Encode() ([]byte, error) {
	config, err := encodeProto("container config", c.Config)
	if err != nil {
		return nil, err
	}
	return encode(containerFile{header{version, kindContainer}, c.ID, c.PodID, c.BootID, c.CreatedAt, c.Cgroup,
		c.ImageID, c.ImageRef, c.ImageName, config})
}

// DecodeContainer reads the content of a container's record.json.
func DecodeContainer(data []byte) (*Container, error) {
	var f containerFile
	if err := decode(data, kindContainer, &f); err != nil {
		return nil, err
	}
	config := &runtime.ContainerConfig{}
	if err := decodeProto("container config", f.Config, config); err != nil {
		return nil, err
	}
	if f.ID == "" || f.PodID == "" || config.GetMetadata() == nil {
		return nil, corrupt("it names no container")
	}
	return &Container{f.ID, f.PodID, f.BootID, f.CreatedAt, f.Cgroup, f.ImageID, f.ImageRef, f.ImageName, config}, nil
}

// ContainerStatus is what became of a container. Times are Unix nanoseconds; 0: not yet.
type ContainerStatus struct {
	BootID     string
	Pid        int
	ReadyAt    int64 // all was made
	StartedAt  int64
	RemovingAt int64 // its removal was asked for: it is finished, whatever happens to the daemon
	UID, GID   uint32
	Groups     []uint32
	StopSignal int32 // the CRI's number
	Resources  *runtime.LinuxContainerResources
	// Exit is nil while the process lives. An exit that the monitor saw stands in its exit record too, and is taken from there
	// at a restart.
	Exit *Exit
}

// Exit is how a container ended.
type Exit struct {
	Code       int32  `json:"code"`
	FinishedAt int64  `json:"finished_at"`
	Reason     string `json:"reason"`
	Message    string `json:"message,omitempty"`
}

type containerStatusFile struct {
	header
	BootID     string          `json:"boot_id"`
	Pid        int             `json:"pid,omitempty"`
	ReadyAt    int64           `json:"ready_at,omitempty"`
	StartedAt  int64           `json:"started_at,omitempty"`
	RemovingAt int64           `json:"removing_at,omitempty"`
	UID        uint32          `json:"uid"`
	GID        uint32          `json:"gid"`
	Groups     []uint32        `json:"groups,omitempty"`
	StopSignal int32           `json:"stop_signal,omitempty"`
	Resources  json.RawMessage `json:"resources,omitempty"`
	Exit       *Exit           `json:"exit,omitempty"`
}

// Encode returns the content of status.json.
func (s *ContainerStatus) Encode() ([]byte, error) {
	f := containerStatusFile{header{version, kindContainerStatus}, s.BootID, s.Pid, s.ReadyAt, s.StartedAt, s.RemovingAt,
		s.UID, s.GID, s.Groups, s.StopSignal, nil, s.Exit}
	if s.Resources != nil {
		r, err := encodeProto("resources", s.Resources)
		if err != nil {
			return nil, err
		}
		f.Resources = r
	}
	return encode(f)
}

// DecodeContainerStatus reads the content of a container's status.json.
func DecodeContainerStatus(data []byte) (*ContainerStatus, error) {
	var f containerStatusFile
	if err := decode(data, kindContainerStatus, &f); err != nil {
		return nil, err
	}
	s := &ContainerStatus{f.BootID, f.Pid, f.ReadyAt, f.StartedAt, f.RemovingAt, f.UID, f.GID, f.Groups, f.StopSignal, nil, f.Exit}
	if len(f.Resources) > 0 {
		s.Resources = &runtime.LinuxContainerResources{}
		if err := decodeProto("resources", f.Resources, s.Resources); err != nil {
			return nil, err
		}
	}
	return s, nil
}
