// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"net/netip"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Pod is what a pod was asked to be.
type Pod struct {
	ID        string
	BootID    string // of the boot that it was made in
	CreatedAt int64  // Unix nanoseconds
	Handler   string // runtime handler
	Cgroup    string // of its pause container, as linux.cgroupsPath
	Config    *runtime.PodSandboxConfig
}

type podFile struct {
	header
	ID        string          `json:"id"`
	BootID    string          `json:"boot_id"`
	CreatedAt int64           `json:"created_at"`
	Handler   string          `json:"runtime_handler,omitempty"`
	Cgroup    string          `json:"cgroup"`
	Config    json.RawMessage `json:"config"`
}

// Encode returns the content of record.json.
func (p *Pod) Encode() ([]byte, error) {
	config, err := encodeProto("pod config", p.Config)
	if err != nil {
		return nil, err
	}
	return encode(podFile{header{version, kindPod}, p.ID, p.BootID, p.CreatedAt, p.Handler, p.Cgroup, config})
}

// DecodePod reads the content of a pod's record.json.
func DecodePod(data []byte) (*Pod, error) {
	var f podFile
	if err := decode(data, kindPod, &f); err != nil {
		return nil, err
	}
	config := &runtime.PodSandboxConfig{}
	if err := decodeProto("pod config", f.Config, config); err != nil {
		return nil, err
	}
	if f.ID == "" || config.GetMetadata() == nil {
		return nil, corrupt("it names no pod")
	}
	return &Pod{f.ID, f.BootID, f.CreatedAt, f.Handler, f.Cgroup, config}, nil
}

// PodStatus is what became of a pod. Times are Unix nanoseconds; 0: not yet.
type PodStatus struct {
	BootID     string       `json:"boot_id"`
	NetNS      string       `json:"netns,omitempty"` // path of the pin; "": the node's
	IPs        []netip.Addr `json:"ips,omitempty"`
	MonitorPid int          `json:"monitor_pid,omitempty"`
	PausePid   int          `json:"pause_pid,omitempty"`
	ReadyAt    int64        `json:"ready_at,omitempty"`    // all was made
	EndedAt    int64        `json:"ended_at,omitempty"`    // pause or the monitor died, the pod was stopped, or the node rebooted
	EndReason  string       `json:"end_reason,omitempty"`  // for people
	StoppedAt  int64        `json:"stopped_at,omitempty"`  // all but the record was released
	RemovingAt int64        `json:"removing_at,omitempty"` // its removal was asked for: it is finished, whatever happens to the daemon
}

// Encode returns the content of status.json.
func (s *PodStatus) Encode() ([]byte, error) {
	return encode(struct {
		header
		*PodStatus
	}{header{version, kindPodStatus}, s})
}

// DecodePodStatus reads the content of a pod's status.json.
func DecodePodStatus(data []byte) (*PodStatus, error) {
	f := struct {
		header
		PodStatus
	}{}
	if err := decode(data, kindPodStatus, &f); err != nil {
		return nil, err
	}
	return &f.PodStatus, nil
}
