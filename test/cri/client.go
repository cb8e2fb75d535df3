// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// maxMessage lets a full ExecSync answer through: 16 MiB of each stream.
const maxMessage = 64 << 20

// reconnect is quick: lanes restart daemons all the time.
var reconnect = backoff.Config{BaseDelay: time.Millisecond, Multiplier: 1.5, MaxDelay: 10 * time.Millisecond}

// Client calls both services over one connection.
type Client struct {
	runtime.RuntimeServiceClient
	runtime.ImageServiceClient
	conn *grpc.ClientConn
}

// Dial prepares a connection to the Unix socket; it is made on the first call.
func Dial(socket string) (*Client, error) {
	conn, err := grpc.NewClient("unix://"+socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", socket, err)
	}
	return &Client{runtime.NewRuntimeServiceClient(conn), runtime.NewImageServiceClient(conn), conn}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Pull pulls an image and returns its ID.
func (c *Client) Pull(ctx context.Context, ref string) (string, error) {
	resp, err := c.PullImage(ctx, &runtime.PullImageRequest{Image: &runtime.ImageSpec{Image: ref}})
	return resp.GetImageRef(), err
}

// RunPod runs a pod sandbox and returns its ID.
func (c *Client) RunPod(ctx context.Context, pod *runtime.PodSandboxConfig) (string, error) {
	resp, err := c.RunPodSandbox(ctx, &runtime.RunPodSandboxRequest{Config: pod})
	return resp.GetPodSandboxId(), err
}

// Create creates a container in a pod and returns its ID.
func (c *Client) Create(ctx context.Context, podID string, pod *runtime.PodSandboxConfig, ctr *runtime.ContainerConfig) (string, error) {
	resp, err := c.CreateContainer(ctx, &runtime.CreateContainerRequest{PodSandboxId: podID, Config: ctr, SandboxConfig: pod})
	return resp.GetContainerId(), err
}

// Start starts a created container.
func (c *Client) Start(ctx context.Context, id string) error {
	_, err := c.StartContainer(ctx, &runtime.StartContainerRequest{ContainerId: id})
	return err
}

// Run creates and starts a container.
func (c *Client) Run(ctx context.Context, podID string, pod *runtime.PodSandboxConfig, ctr *runtime.ContainerConfig) (string, error) {
	id, err := c.Create(ctx, podID, pod, ctr)
	if err != nil {
		return "", err
	}
	return id, c.Start(ctx, id)
}

// Stop stops a container with a grace period in seconds.
func (c *Client) Stop(ctx context.Context, id string, grace int64) error {
	_, err := c.StopContainer(ctx, &runtime.StopContainerRequest{ContainerId: id, Timeout: grace})
	return err
}

// Remove removes a container.
func (c *Client) Remove(ctx context.Context, id string) error {
	_, err := c.RemoveContainer(ctx, &runtime.RemoveContainerRequest{ContainerId: id})
	return err
}

// StopPod stops a pod.
func (c *Client) StopPod(ctx context.Context, id string) error {
	_, err := c.StopPodSandbox(ctx, &runtime.StopPodSandboxRequest{PodSandboxId: id})
	return err
}

// RemovePod removes a pod with its containers.
func (c *Client) RemovePod(ctx context.Context, id string) error {
	_, err := c.RemovePodSandbox(ctx, &runtime.RemovePodSandboxRequest{PodSandboxId: id})
	return err
}

// RemoveAllPods stops and removes every pod.
func (c *Client) RemoveAllPods(ctx context.Context) error {
	pods, err := c.ListPodSandbox(ctx, &runtime.ListPodSandboxRequest{})
	if err != nil {
		return err
	}
	for _, p := range pods.Items {
		if err := c.StopPod(ctx, p.Id); err != nil {
			return fmt.Errorf("stop pod %s: %w", p.Id, err)
		}
		if err := c.RemovePod(ctx, p.Id); err != nil {
			return fmt.Errorf("remove pod %s: %w", p.Id, err)
		}
	}
	return nil
}

// Container is a container's status.
func (c *Client) Container(ctx context.Context, id string) (*runtime.ContainerStatus, error) {
	resp, err := c.ContainerStatus(ctx, &runtime.ContainerStatusRequest{ContainerId: id})
	return resp.GetStatus(), err
}

// Pod is a pod's status.
func (c *Client) Pod(ctx context.Context, id string) (*runtime.PodSandboxStatus, error) {
	resp, err := c.PodSandboxStatus(ctx, &runtime.PodSandboxStatusRequest{PodSandboxId: id})
	return resp.GetStatus(), err
}

// ExecSynchronously runs a command to its end.
func (c *Client) ExecSynchronously(ctx context.Context, id string, cmd ...string) (*runtime.ExecSyncResponse, error) {
	return c.ExecSync(ctx, &runtime.ExecSyncRequest{ContainerId: id, Cmd: cmd, Timeout: 30})
}
