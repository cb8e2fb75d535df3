// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/conmon"
	"crisp/oci"
	"crisp/sandbox/record"
)

// container is one container. As in a pod, its status changes by update alone and is read from snapshots.
type container struct {
	rec  *record.Container
	pod  *pod
	dir  string // of its records, and of its writable layer
	log  *slog.Logger
	exit chan struct{} // closed when it has exited

	view atomic.Pointer[containerView]
	live atomic.Pointer[oci.Container] // nil: not known to a monitor
	// process is the container's own, which an exec copies. nil until it is needed after a restart: it is read from the bundle.
	process atomic.Pointer[specs.Process]

	op   opLock // held by start, update, remove
	stop stopper

	mu       sync.Mutex   // guards starting, early, and the change of view
	starting bool         // start is between its request and its answer
	early    *record.Exit // an exit that came while starting
}

// containerView is a moment of a container. It is never changed.
type containerView struct {
	status record.ContainerStatus
	item   *runtime.Container // as List answers
}

func newContainer(rec *record.Container, p *pod, dir string) *container {
	c := &container{rec: rec, pod: p, dir: dir, log: p.log.With("container", rec.ID), exit: make(chan struct{}), op: newOpLock()}
	c.view.Store(c.look(record.ContainerStatus{BootID: rec.BootID}))
	return c
}

// containerState derives the CRI's state from the facts.
func containerState(s *record.ContainerStatus) runtime.ContainerState {
	switch {
	case s.Exit != nil:
		return runtime.ContainerState_CONTAINER_EXITED
	case s.StartedAt != 0:
		return runtime.ContainerState_CONTAINER_RUNNING
	case s.ReadyAt != 0:
		return runtime.ContainerState_CONTAINER_CREATED
	}
	return runtime.ContainerState_CONTAINER_UNKNOWN
}

func (c *container) status() *record.ContainerStatus { return &c.view.Load().status }
func (c *container) state() runtime.ContainerState   { return c.view.Load().item.State }

func (c *container) securityContext() *runtime.LinuxContainerSecurityContext {
	return c.rec.Config.GetLinux().GetSecurityContext()
}

// look makes the snapshot of a status.
func (c *container) look(s record.ContainerStatus) *containerView {
	f := c.rec.Config
	return &containerView{status: s, item: &runtime.Container{
		Id: c.rec.ID, PodSandboxId: c.rec.PodID, Metadata: f.GetMetadata(), Image: c.imageSpec(), ImageRef: c.rec.ImageRef,
		State: containerState(&s), CreatedAt: c.rec.CreatedAt, Labels: f.GetLabels(), Annotations: f.GetAnnotations(), ImageId: c.rec.ImageID,
	}}
}

// upper is the container's writable layer.
func (c *container) upper() string { return filepath.Join(c.dir, "upper") }

// imageSpec is the image as the pod's author named it, by a tag where it has one.
func (c *container) imageSpec() *runtime.ImageSpec {
	asked := c.rec.Config.GetImage()
	name := c.rec.ImageName
	if name == "" {
		name = asked.GetImage()
	}
	return &runtime.ImageSpec{Image: name, Annotations: asked.GetAnnotations(), UserSpecifiedImage: asked.GetUserSpecifiedImage(), RuntimeHandler: asked.GetRuntimeHandler()}
}

// update is the one way to change a container's status; see pod.update. The caller holds c.mu.
func (c *container) update(fn func(*record.ContainerStatus)) {
	s := c.view.Load().status
	had := s.Exit != nil
	fn(&s)
	if err := writeStatus(c.dir, s.Encode); err != nil {
		c.log.Error("container status not written", "err", err)
	}
	c.view.Store(c.look(s))
	if !had && s.Exit != nil {
		close(c.exit)
	}
}

// exited notes the end of the container's process. It says false when that was known, or is left to a start that is under
// way, so that STARTED is always told before STOPPED.
func (c *container) exited(e record.Exit) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.starting {
		c.early = &e
		return false
	}
	if c.status().Exit != nil {
		return false
	}
	c.setExit(e)
	return true
}

// setExit keeps the order of times: clocks may be set back between two readings. The caller holds c.mu.
func (c *container) setExit(e record.Exit) {
	c.update(func(s *record.ContainerStatus) {
		e.FinishedAt = max(e.FinishedAt, s.StartedAt, c.rec.CreatedAt)
		s.Exit = &e
	})
}

// The reasons that the CRI and the kubelet know (cri.md of the kubelet: "OOMKilled" is the one that must be).
const (
	reasonCompleted  = "Completed"
	reasonError      = "Error"
	reasonOOMKilled  = "OOMKilled"
	reasonStartError = "StartError"
	reasonUnknown    = "Unknown"
)

// Exit codes that the runtime makes up.
const (
	codeStartError = 128
	codeUnknown    = 255
)

// exitOf judges what the monitor saw. The OOM killer may strike a child and leave the container's first process to end as it
// likes; OOMKilled means that it was struck itself (or the kernel took the whole group), which shows as death by SIGKILL.
func exitOf(e conmon.Exit) record.Exit {
	x := record.Exit{Code: int32(e.Code), FinishedAt: e.Time.UnixNano(), Reason: reasonError}
	switch {
	case e.OOMKills > 0 && e.Code == codeKilled:
		x.Reason = reasonOOMKilled
	case e.Code == 0:
		x.Reason = reasonCompleted
	}
	return x
}

// codeKilled is 128 + SIGKILL.
const codeKilled = 137

// lostExit is the end of a container whose monitor is gone and has left no exit record.
func lostExit(why string) record.Exit {
	return record.Exit{Code: codeUnknown, FinishedAt: time.Now().UnixNano(), Reason: reasonUnknown, Message: why}
}
