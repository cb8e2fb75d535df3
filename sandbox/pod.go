// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/conmon"
	"crisp/oci"
	"crisp/sandbox/record"
)

// pod is one sandbox. What it was asked to be never changes; what became of it changes by update alone, and reads see a
// snapshot of it without any lock.
type pod struct {
	rec *record.Pod
	dir string // of its records
	log *slog.Logger

	view atomic.Pointer[podView]
	live atomic.Pointer[podLive] // nil: not connected to its monitor

	op   opLock // held by stop and remove
	gate gate   // container creations
	// ending is done when the pod begins to stop, so that creations under way give up.
	ending context.Context
	end    context.CancelFunc

	mu     sync.Mutex             // guards strays, the change of view, and the order of the status file's versions
	strays map[string]record.Exit // of containers that are still being created
}

// podView is a moment of a pod. It is never changed.
type podView struct {
	status record.PodStatus
	item   *runtime.PodSandbox // as List answers
}

// podLive are the handles on a pod's processes.
type podLive struct {
	monitor *conmon.Client
	pause   *oci.Container
}

func newPod(rec *record.Pod, dir string, log *slog.Logger) *pod {
	p := &pod{rec: rec, dir: dir, log: log.With("pod", rec.ID), op: newOpLock()}
	p.ending, p.end = context.WithCancel(context.Background())
	p.view.Store(p.look(record.PodStatus{BootID: rec.BootID}))
	return p
}

// podState derives the CRI's state from the facts.
func podState(s *record.PodStatus) runtime.PodSandboxState {
	if s.ReadyAt != 0 && s.EndedAt == 0 && s.StoppedAt == 0 {
		return runtime.PodSandboxState_SANDBOX_READY
	}
	return runtime.PodSandboxState_SANDBOX_NOTREADY
}

func (p *pod) status() *record.PodStatus      { return &p.view.Load().status }
func (p *pod) state() runtime.PodSandboxState { return p.view.Load().item.State }
func (p *pod) ready() bool                    { return p.state() == runtime.PodSandboxState_SANDBOX_READY }

func (p *pod) options() *runtime.NamespaceOption {
	return p.rec.Config.GetLinux().GetSecurityContext().GetNamespaceOptions()
}

func (p *pod) hostNetwork() bool { return p.options().GetNetwork() == runtime.NamespaceMode_NODE }

// look makes the snapshot of a status.
func (p *pod) look(s record.PodStatus) *podView {
	c := p.rec.Config
	return &podView{status: s, item: &runtime.PodSandbox{
		Id: p.rec.ID, Metadata: c.GetMetadata(), State: podState(&s), CreatedAt: p.rec.CreatedAt,
		Labels: c.GetLabels(), Annotations: c.GetAnnotations(), RuntimeHandler: p.rec.Handler,
	}}
}

// update is the one way to change a pod's status. fn returns false when there is nothing to change. The file is
// written before the snapshot is seen; an error of that is logged, since the fact is a fact nevertheless.
func (p *pod) update(fn func(*record.PodStatus) bool) (changed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.view.Load().status
	if !fn(&s) {
		return false
	}
	if err := writeStatus(p.dir, s.Encode); err != nil {
		p.log.Error("pod status not written", "err", err)
	}
	p.view.Store(p.look(s))
	return true
}

// ended notes that the pod does not work any more. It says false when that was known.
func (p *pod) ended(reason string) bool {
	return p.update(func(s *record.PodStatus) bool {
		if s.EndedAt != 0 {
			return false
		}
		s.EndedAt, s.EndReason = time.Now().UnixNano(), reason
		return true
	})
}

// writeStatus replaces a status file. It is not synced, see package record.
func writeStatus(dir string, encode func() ([]byte, error)) error {
	data, err := encode()
	if err != nil {
		return err
	}
	return record.Update(dir, record.StatusFile, data)
}
