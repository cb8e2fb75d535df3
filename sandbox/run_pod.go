// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/conmon"
	"crisp/network"
	"crisp/oci"
	"crisp/sandbox/job"
	"crisp/sandbox/record"
	"crisp/sandbox/spec"
)

// RunPod makes and starts a pod and returns its ID when it is READY. Calls with the same identity (uid, namespace,
// name, attempt) join.
func (m *Manager) RunPod(ctx context.Context, c *runtime.PodSandboxConfig, handler string) (string, error) {
	if err := validatePod(c, handler); err != nil {
		return "", err
	}
	if err := m.cfg.Defaults.checkParent(c.GetLinux().GetCgroupParent()); err != nil {
		return "", err
	}
	identity := podIdentity(c.GetMetadata())
	id, err := m.runs.Do(ctx, job.Request[string]{
		Key: identity,
		Lookup: func() (string, bool) {
			if p := m.index.podByIdentity(identity); p != nil && p.ready() {
				return p.rec.ID, true
			}
			return "", false
		},
		Work: func(t *job.Task) (string, error) { return m.runPod(t, c, handler) },
	})
	if err != nil {
		return "", fmt.Errorf("run pod %s/%s: %w", c.GetMetadata().GetNamespace(), c.GetMetadata().GetName(), jobError(err))
	}
	return id, nil
}

// runPod is the work. A failure releases all that was made, which is found by the ID (see release).
func (m *Manager) runPod(t *job.Task, c *runtime.PodSandboxConfig, handler string) (string, error) {
	if p := m.index.podByIdentity(podIdentity(c.GetMetadata())); p != nil {
		return "", fmt.Errorf("pod %s has this identity and is not ready: %w: remove it first", p.rec.ID, ErrState)
	}
	t.Stage("write intent")
	p, stored, err := m.intendPod(c, handler)
	if err != nil {
		return "", err
	}
	b := &podBuild{m: m, t: t, p: p}
	err = b.build()
	if serr := stored.wait(); err == nil && serr != nil {
		err = fmt.Errorf("store the pod's record: %w", serr)
	}
	if err != nil {
		m.abandonPod(p)
		return "", err
	}
	m.commitPod(p, b)
	return p.rec.ID, nil
}

// intendPod writes the record that owns everything that is made from here on.
func (m *Manager) intendPod(c *runtime.PodSandboxConfig, handler string) (*pod, durable, error) {
	id := newID()
	parent := c.GetLinux().GetCgroupParent()
	if parent == "" {
		parent = m.cfg.Defaults.CgroupParent
	}
	rec := &record.Pod{
		ID: id, BootID: m.bootID, CreatedAt: time.Now().UnixNano(), Handler: handler,
		Cgroup: m.cfg.Defaults.cgroupPath(parent, id), Config: proto.CloneOf(c),
	}
	dir := m.dirs.pod(id)
	if err := makeDirs(dir); err != nil {
		return nil, durable{}, err
	}
	stored, err := intend(dir, rec.Encode)
	p := newPod(rec, dir, m.log)
	if err == nil {
		err = m.makePauseRoot(p)
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, durable{}, err
	}
	return p, stored, nil
}

// makePauseRoot makes the empty directory that is the pause process's root, which the root of the pod's user namespace owns.
func (m *Manager) makePauseRoot(p *pod) error {
	root := m.dirs.podFile(p.rec.ID, "rootfs")
	if err := makeDirs(root); err != nil {
		return err
	}
	return p.giveToRoot(root)
}

// intend makes a record visible at once and durable in the background.
func intend(dir string, encode func() ([]byte, error)) (durable, error) {
	data, err := encode()
	if err != nil {
		return durable{}, err
	}
	w, err := record.Write(dir, record.RecordFile, data)
	if err != nil {
		return durable{}, fmt.Errorf("write record: %w", err)
	}
	return syncInBackground(w), nil
}

// commitPod makes the pod seen.
func (m *Manager) commitPod(p *pod, b *podBuild) {
	p.update(func(s *record.PodStatus) bool {
		s.NetNS, s.IPs, s.PausePid, s.MonitorPid = b.netns, b.net.IPs, b.live.pause.Pid, b.live.monitor.Pid()
		s.ReadyAt = time.Now().UnixNano()
		return true
	})
	m.index.addPod(p)
	m.spawn(func() { m.watch(p, b.live.monitor) })
	m.tell(p, p.rec.ID, eventCreated)
	m.tell(p, p.rec.ID, eventStarted)
}

// podBuild is a pod being made.
type podBuild struct {
	m *Manager
	t *job.Task
	p *pod

	netns string
	net   network.Result
	live  podLive
}

// build makes the pod's parts side by side. What waits for what:
//
//	network namespace ─┬─▶ network attach ─▶ hosts file
//	                   ├─▶ pause container
//	monitor ───────────┘
//	files, shm
//
// With a user namespace the pause container makes the network namespace, and the attach comes after it.
func (b *podBuild) build() error {
	uids, _, err := spec.UserNamespace(b.p.options())
	if err != nil {
		return err
	}
	userNS := len(uids) > 0
	g, ctx := errgroup.WithContext(b.t.Context())
	nsReady, monitorReady, pauseReady := make(chan struct{}), make(chan struct{}), make(chan struct{})
	g.Go(func() error { return b.files() })
	g.Go(func() error { return signalled(monitorReady, func() error { return b.startMonitor(ctx) }) })
	g.Go(func() error {
		if userNS {
			if !arrived(ctx, pauseReady) {
				return nil
			}
			if err := b.pinNamespace(ctx); err != nil {
				return err
			}
		} else if err := signalled(nsReady, func() error { return b.newNamespace(ctx) }); err != nil {
			return err
		}
		return b.attach(ctx)
	})
	g.Go(func() error {
		if !arrived(ctx, monitorReady) || !userNS && !arrived(ctx, nsReady) {
			return nil
		}
		return signalled(pauseReady, func() error { return b.startPause(ctx) })
	})
	return g.Wait()
}

// signalled closes ready when f has succeeded.
func signalled(ready chan struct{}, f func() error) error {
	if err := f(); err != nil {
		return err
	}
	close(ready)
	return nil
}

// arrived waits for what another part makes; false when a part has failed.
func arrived(ctx context.Context, ready chan struct{}) bool {
	select {
	case <-ready:
		return true
	case <-ctx.Done():
		return false
	}
}

func (b *podBuild) files() error {
	b.t.Stage("pod files")
	if err := b.m.writePodFiles(b.p); err != nil {
		return fmt.Errorf("pod files: %w", err)
	}
	return b.m.makeShm(b.p)
}

func (b *podBuild) startMonitor(ctx context.Context) error {
	b.t.Stage("start monitor")
	c, err := conmon.Start(ctx, conmon.StartConfig{SocketPath: b.m.dirs.socket(b.p.rec.ID)})
	if err != nil {
		return fmt.Errorf("start monitor: %w", err)
	}
	b.live.monitor = c
	b.p.live.Store(&b.live) // so that release finds it
	return nil
}

func (b *podBuild) newNamespace(ctx context.Context) (err error) {
	if b.p.hostNetwork() {
		return nil
	}
	b.t.Stage("network namespace")
	b.netns, err = b.m.cfg.Network.NewNamespace(ctx, b.p.rec.ID)
	return err
}

// pinNamespace gives the network namespace that the pause container has made the name that the network knows it by.
func (b *podBuild) pinNamespace(ctx context.Context) error {
	if b.p.hostNetwork() {
		return nil
	}
	ns, err := os.Open(procNS(b.live.pause.Pid, "net"))
	if err != nil {
		return err
	}
	defer ns.Close()
	b.netns, err = b.m.cfg.Network.PinNamespace(ctx, b.p.rec.ID, ns)
	return err
}

func (b *podBuild) attach(ctx context.Context) (err error) {
	if !b.p.hostNetwork() {
		b.t.Stage("network attach")
		if b.net, err = b.m.cfg.Network.Attach(ctx, networkPod(b.p, b.netns)); err != nil {
			return fmt.Errorf("network: %w", err)
		}
	}
	return b.m.writeHosts(b.p, b.net.IPs)
}

func (b *podBuild) startPause(ctx context.Context) error {
	b.t.Stage("pause container")
	program, err := conmon.Binary()
	if err != nil {
		return err
	}
	s, err := b.m.pauseSpec(b.p, b.netns)
	if err != nil {
		return err
	}
	exitDir, err := os.Open(b.p.dir)
	if err != nil {
		return err
	}
	defer exitDir.Close()
	c, err := b.m.cfg.OCI.Create(ctx, oci.CreateRequest{
		ID: b.p.rec.ID, Monitor: b.live.monitor, Spec: s, Bundle: b.m.dirs.podRun(b.p.rec.ID), ExecFile: program, ExitDir: exitDir,
	})
	if err != nil {
		return fmt.Errorf("create pause container: %w", err)
	}
	b.live.pause = c
	if err := c.Start(ctx); err != nil {
		return fmt.Errorf("start pause container: %w", err)
	}
	return nil
}
