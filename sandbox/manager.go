// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"crisp/conmon"
	"crisp/sandbox/job"
	"crisp/sandbox/measure"
	"crisp/sandbox/record"
	"crisp/sandbox/spec"
)

// How long the work of one job may take, whoever waits for it. The kubelet waits 4 minutes for a pod and 2 for a container,
// and asks again.
const (
	runTimeout    = 4 * time.Minute
	createTimeout = 4 * time.Minute
	endTimeout    = 4 * time.Minute
	// closeTimeout is how long Close waits for jobs to give up.
	closeTimeout = 10 * time.Second
)

// Manager owns all pods and containers of a node.
type Manager struct {
	cfg    Config
	dirs   layout
	log    *slog.Logger
	bootID string
	host   spec.Host

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	index   *index
	events  *broadcaster
	runs    *job.Group[string]
	creates *job.Group[string]
	ends    *job.Group[struct{}]
	disk    *measure.Disk
	rates   *measure.Rates

	mu     sync.Mutex // guards closed, and wg against Add after Wait
	closed bool
	wg     sync.WaitGroup
}

// New restores the pods and containers that the records in c.Root name and returns a Manager that answers for them.
// Objects that cannot be restored never make it fail: they are logged and left alone.
func New(ctx context.Context, c Config) (*Manager, error) {
	m, err := newManager(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := m.restore(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func newManager(ctx context.Context, c Config) (*Manager, error) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Defaults.CgroupParent == "" {
		c.Defaults.CgroupParent = defaultCgroupParent
		if c.Defaults.Systemd {
			c.Defaults.CgroupParent += ".slice"
		}
	}
	if _, err := conmon.Binary(); err != nil { // made now, so that the first pod needn't, and a build without it does not start
		return nil, err
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	host, err := readHost(c.OCI.Cgroups().Mode(), c.Defaults)
	if err != nil {
		return nil, err
	}
	images, err := c.Images.Usage(ctx)
	if err != nil {
		return nil, fmt.Errorf("image store: %w", err)
	}
	dirs := layout{c.Root, c.State}
	if err := makeDirs(dirs.pods(), dirs.podsRun()); err != nil {
		return nil, fmt.Errorf("state directories: %w", err)
	}
	m := &Manager{cfg: c, dirs: dirs, log: c.Log, bootID: boot, host: host, index: newIndex(), events: newBroadcaster(), rates: measure.NewRates(), disk: measure.NewDisk(images.Mountpoint)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.runs = job.NewGroup[string](m.ctx, runTimeout)
	m.creates = job.NewGroup[string](m.ctx, createTimeout)
	m.ends = job.NewGroup[struct{}](m.ctx, endTimeout)
	m.spawn(func() { m.disk.Run(m.ctx) })
	return m, nil
}

// defaultCgroupParent holds the pods that name none.
const defaultCgroupParent = "/crisp"

// spawn runs f in a goroutine that Close waits for; false when the Manager is closed.
func (m *Manager) spawn(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.wg.Go(f)
	return true
}

// Close ends the Manager's goroutines and file descriptors and leaves all pods running.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := errors.Join(m.runs.Close(ctx), m.creates.Close(ctx), m.ends.Close(ctx))
	for _, p := range m.index.allPods() {
		p.disconnect()
		p.end()
	}
	for _, c := range m.index.allContainers() {
		c.disconnect()
	}
	done := make(chan struct{})
	go func() { m.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		err = errors.Join(err, fmt.Errorf("wait for the sandbox manager's goroutines: %w", ctx.Err()))
	}
	return err
}

// Jobs lists the operations under way, for whoever asks why one takes long.
func (m *Manager) Jobs() []job.Status {
	return append(append(m.runs.Running(), m.creates.Running()...), m.ends.Running()...)
}

// durable waits for a record to be on disk while other work goes on.
type durable struct{ done chan error }

// syncInBackground begins to make w durable.
func syncInBackground(w *record.Written) durable {
	d := durable{make(chan error, 1)}
	go func() { d.done <- w.Sync() }()
	return d
}

func (d durable) wait() error { return <-d.done }
