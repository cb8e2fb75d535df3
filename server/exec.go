// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"math"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/sandbox"
)

// ExecSync implements runtime.RuntimeServiceServer.
func (s *runtimeService) ExecSync(ctx context.Context, r *runtime.ExecSyncRequest) (*runtime.ExecSyncResponse, error) {
	if err := checkCommand(r.GetContainerId(), r.GetCmd()); err != nil {
		return nil, err
	}
	timeout, err := seconds("timeout", r.GetTimeout())
	if err != nil {
		return nil, err
	}
	stdout, stderr, code, err := s.Pods.ExecSync(ctx, r.GetContainerId(), r.GetCmd(), timeout)
	if err != nil {
		return nil, err
	}
	return &runtime.ExecSyncResponse{Stdout: stdout, Stderr: stderr, ExitCode: code}, nil
}

// Exec implements runtime.RuntimeServiceServer: the session begins when its client connects to the URL.
func (s *runtimeService) Exec(_ context.Context, r *runtime.ExecRequest) (*runtime.ExecResponse, error) {
	if err := checkCommand(r.GetContainerId(), r.GetCmd()); err != nil {
		return nil, err
	}
	if err := checkStreams(r.GetTty(), r.GetStdin(), r.GetStdout(), r.GetStderr()); err != nil {
		return nil, err
	}
	if err := s.needRunning(r.GetContainerId()); err != nil {
		return nil, err
	}
	url, err := s.Sessions.Exec(r)
	if err != nil {
		return nil, err
	}
	return &runtime.ExecResponse{Url: url}, nil
}

// Attach implements runtime.RuntimeServiceServer.
func (s *runtimeService) Attach(_ context.Context, r *runtime.AttachRequest) (*runtime.AttachResponse, error) {
	if err := needID("container_id", r.GetContainerId()); err != nil {
		return nil, err
	}
	if err := checkStreams(r.GetTty(), r.GetStdin(), r.GetStdout(), r.GetStderr()); err != nil {
		return nil, err
	}
	if err := s.needRunning(r.GetContainerId()); err != nil {
		return nil, err
	}
	url, err := s.Sessions.Attach(r)
	if err != nil {
		return nil, err
	}
	return &runtime.AttachResponse{Url: url}, nil
}

// PortForward implements runtime.RuntimeServiceServer.
func (s *runtimeService) PortForward(_ context.Context, r *runtime.PortForwardRequest) (*runtime.PortForwardResponse, error) {
	if err := needID("pod_sandbox_id", r.GetPodSandboxId()); err != nil {
		return nil, err
	}
	for _, p := range r.GetPort() {
		if p < 1 || p > math.MaxUint16 {
			return nil, invalid("port: %d is not between 1 and 65535", p)
		}
	}
	status, err := s.Pods.PodStatus(r.GetPodSandboxId(), false)
	if err != nil {
		return nil, err
	}
	if status.GetStatus().GetState() != runtime.PodSandboxState_SANDBOX_READY {
		return nil, fmt.Errorf("forward to pod %s: %w: it is not ready", r.GetPodSandboxId(), sandbox.ErrState)
	}
	url, err := s.Sessions.PortForward(r)
	if err != nil {
		return nil, err
	}
	return &runtime.PortForwardResponse{Url: url}, nil
}

func checkCommand(containerID string, cmd []string) error {
	if err := needID("container_id", containerID); err != nil {
		return err
	}
	if len(cmd) == 0 || cmd[0] == "" {
		return invalid("cmd: missing")
	}
	return nil
}

// needRunning refuses a session for a container that does not run, before anybody connects.
func (s *runtimeService) needRunning(containerID string) error {
	status, err := s.Pods.ContainerStatus(containerID, false)
	if err != nil {
		return err
	}
	if state := status.GetStatus().GetState(); state != runtime.ContainerState_CONTAINER_RUNNING {
		return fmt.Errorf("container %s: %w: it is in state %s", containerID, sandbox.ErrNotRunning, state)
	}
	return nil
}
