// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/image"
	"crisp/oci"
	"crisp/sandbox/job"
	"crisp/sandbox/record"
	"crisp/sandbox/signals"
	"crisp/sandbox/spec"
)

// CreateContainer makes a container that stands ready to start and returns its ID. Calls for the same pod, name and
// attempt join.
func (m *Manager) CreateContainer(ctx context.Context, r *runtime.CreateContainerRequest) (string, error) {
	if err := validateContainer(r.GetConfig()); err != nil {
		return "", err
	}
	p, err := m.index.pod(r.GetPodSandboxId())
	if err != nil {
		return "", err
	}
	identity := ctrIdentity(p.rec.ID, r.GetConfig().GetMetadata())
	id, err := m.creates.Do(ctx, job.Request[string]{
		Key: identity,
		Lookup: func() (string, bool) {
			if c := m.index.containerByIdentity(identity); c != nil && c.state() != runtime.ContainerState_CONTAINER_EXITED {
				return c.rec.ID, true
			}
			return "", false
		},
		Work: func(t *job.Task) (string, error) { return m.createContainer(t, p, r.GetConfig()) },
	})
	if err != nil {
		return "", fmt.Errorf("create container %s in pod %s: %w", r.GetConfig().GetMetadata().GetName(), p.rec.ID, jobError(err))
	}
	return id, nil
}

// createContainer is the work. A failure releases all that was made, which is found by the ID.
func (m *Manager) createContainer(t *job.Task, p *pod, config *runtime.ContainerConfig) (string, error) {
	if c := m.index.containerByIdentity(ctrIdentity(p.rec.ID, config.GetMetadata())); c != nil {
		return "", fmt.Errorf("container %s has this name and attempt and is %s: %w", c.rec.ID, stateWord(c.state()), ErrState)
	}
	if !p.gate.enter() {
		return "", fmt.Errorf("pod is being stopped: %w", ErrState)
	}
	defer p.gate.leave()
	if !p.ready() {
		return "", fmt.Errorf("pod is not ready: %w", ErrState)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	defer context.AfterFunc(p.ending, func() { cancel(fmt.Errorf("pod is being stopped: %w", ErrState)) })()

	b := &containerBuild{m: m, t: t, p: p, config: proto.CloneOf(config)}
	defer b.close()
	if err := b.resolve(); err != nil {
		return "", err
	}
	t.Stage("write intent")
	stored, err := b.intend()
	if err != nil {
		return "", err
	}
	err = b.build(ctx)
	if serr := stored.wait(); err == nil && serr != nil {
		err = fmt.Errorf("store the container's record: %w", serr)
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		m.abandonContainer(b.c)
		return "", err
	}
	m.commitContainer(b)
	return b.c.rec.ID, nil
}

// abandonContainer releases a container that did not come to be.
func (m *Manager) abandonContainer(c *container) {
	m.abandon("container "+c.rec.ID, func(ctx context.Context) error { return m.releaseContainer(ctx, c) })
	c.pod.disown(c.rec.ID)
}

// containerBuild is a container being made.
type containerBuild struct {
	m      *Manager
	t      *job.Task
	p      *pod
	config *runtime.ContainerConfig // a copy of our own
	image  *image.Image
	c      *container

	stop   unix.Signal
	out    *spec.ContainerSpec
	rootfs *os.File
	mounts map[string]*os.File
	log    *os.File
	oc     *oci.Container
}

// close closes the files that the monitor has its own descriptors of, or that the kernel holds in mounts.
func (b *containerBuild) close() {
	for _, f := range b.mounts {
		f.Close()
	}
	for _, f := range []*os.File{b.rootfs, b.log} {
		if f != nil {
			f.Close()
		}
	}
}

// resolve finds the image and what else can be known before anything is made.
func (b *containerBuild) resolve() (err error) {
	if b.image, err = b.m.cfg.Images.Get(b.config.GetImage().GetImage()); err != nil {
		return fmt.Errorf("image %s: %w", b.config.GetImage().GetImage(), err)
	}
	if b.stop, err = signals.Stop(b.config.GetStopSignal(), b.image.Config.Config.StopSignal); err != nil {
		return err
	}
	if b.config.GetLinux().GetSecurityContext().GetPrivileged() && !b.p.rec.Config.GetLinux().GetSecurityContext().GetPrivileged() {
		return ErrPrivileged
	}
	return nil
}

// intend writes the record that owns everything that is made from here on, and keeps the image.
func (b *containerBuild) intend() (durable, error) {
	m, p, id := b.m, b.p, newID()
	rec := &record.Container{
		ID: id, PodID: p.rec.ID, BootID: m.bootID, CreatedAt: time.Now().UnixNano(), Cgroup: siblingPath(p.rec.Cgroup, id),
		ImageID: b.image.ID, ImageRef: imageRef(b.image), ImageName: imageName(b.image), Config: b.config,
	}
	dir := m.dirs.container(p.rec.ID, id)
	b.c = newContainer(rec, p, dir)
	if err := m.cfg.Images.Hold(b.image.ID, id); err != nil {
		return durable{}, err
	}
	err := b.holdVolumes(id)
	var stored durable
	if err == nil {
		err = makeDirs(dir, m.dirs.bundle(p.rec.ID, id))
	}
	if err == nil {
		stored, err = intend(dir, rec.Encode)
	}
	if err != nil {
		m.abandonContainer(b.c)
	}
	return stored, err
}

// imageRef is the digested reference of an image; an image that was never pulled by a name has only its ID.
func imageRef(i *image.Image) string {
	if len(i.RepoDigests) > 0 {
		return i.RepoDigests[0]
	}
	return i.ID
}

func imageName(i *image.Image) string {
	if len(i.RepoTags) > 0 {
		return i.RepoTags[0]
	}
	return ""
}

// build makes the container's parts, each of which needs the one before.
func (b *containerBuild) build(ctx context.Context) error {
	for _, stage := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"root file system", b.mountRootfs}, {"mount sources", b.prepareSources}, {"spec", b.makeSpec},
		{"image volumes", b.mountVolumes}, {"log", b.openLog}, {"create", b.create},
	} {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b.t.Stage(stage.name)
		if err := stage.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", stage.name, err)
		}
	}
	return nil
}

func (b *containerBuild) mountRootfs(context.Context) error {
	uids, gids, err := spec.UserNamespace(b.p.options())
	if err != nil {
		return err
	}
	b.rootfs, err = b.m.cfg.Images.MountRootfs(image.RootfsRequest{ImageID: b.image.ID, Dir: b.c.dir, UIDMaps: uids, GIDMaps: gids})
	return err
}

func (b *containerBuild) makeSpec(context.Context) error {
	ns, err := b.m.namespaces(b.p, b.config)
	if err != nil {
		return err
	}
	name, err := hostname(b.p.rec.Config)
	if err != nil {
		return err
	}
	pod := b.p.rec.ID
	b.out, err = spec.Container(spec.ContainerInput{
		ID: b.c.rec.ID, PodID: pod, Config: b.config, Pod: b.p.rec.Config, Image: b.image.Config.Config, Rootfs: b.rootfs,
		Namespaces: ns, Hostname: name, CgroupsPath: b.c.rec.Cgroup, Host: b.m.host,
		Files: spec.Files{
			Hostname: b.m.dirs.podFile(pod, fileHostname), ResolvConf: b.m.dirs.podFile(pod, fileResolv),
			Hosts: b.m.dirs.podFile(pod, fileHosts), Shm: b.m.podShm(b.p),
		},
	})
	return err
}

// create gives the spec to the runtime; the bundle is written meanwhile, for people and for a later daemon.
func (b *containerBuild) create(ctx context.Context) error {
	live := b.p.live.Load()
	if live == nil {
		return fmt.Errorf("the pod's monitor does not answer: %w", ErrState)
	}
	exitDir, err := os.Open(b.c.dir)
	if err != nil {
		return err
	}
	defer exitDir.Close()
	bundle := make(chan error, 1)
	go func() { bundle <- b.writeBundle() }()
	cfg := b.config
	b.oc, err = b.m.cfg.OCI.Create(ctx, oci.CreateRequest{
		ID: b.c.rec.ID, Monitor: live.monitor, Spec: b.out.Spec, Bundle: b.m.dirs.bundle(b.p.rec.ID, b.c.rec.ID), Rootfs: b.rootfs,
		Mounts: b.mounts, Log: b.log, ExitDir: exitDir, TTY: cfg.GetTty(), Stdin: cfg.GetStdin(), StdinOnce: cfg.GetStdinOnce(),
	})
	if berr := <-bundle; err == nil {
		err = berr
	}
	if b.oc != nil {
		b.c.live.Store(b.oc)
	}
	return err
}

func (b *containerBuild) writeBundle() error {
	data, err := json.Marshal(b.out.Spec)
	if err != nil {
		return fmt.Errorf("encode config.json: %w", err)
	}
	return os.WriteFile(b.m.dirs.bundleFile(b.p.rec.ID, b.c.rec.ID), data, 0o600)
}

// commitContainer makes the container seen.
func (m *Manager) commitContainer(b *containerBuild) {
	c, u := b.c, b.out.User
	c.process.Store(b.out.Spec.Process)
	c.mu.Lock()
	c.update(func(s *record.ContainerStatus) {
		s.Pid, s.ReadyAt, s.StopSignal = b.oc.Pid, time.Now().UnixNano(), int32(b.stop)
		s.UID, s.GID, s.Groups = u.UID, u.GID, u.Groups
		s.Resources = &runtime.LinuxContainerResources{}
		if r := b.config.GetLinux().GetResources(); r != nil {
			s.Resources = proto.CloneOf(r)
		}
	})
	c.mu.Unlock()
	exit, dead := b.p.adopt(m.index, c)
	m.tell(b.p, c.rec.ID, eventCreated)
	if dead {
		m.noteExit(c, exit)
	}
}
