// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"crisp/network/attachment"
	"crisp/network/bridge"
	"crisp/network/cni"
	"crisp/network/netns"
)

// closeTimeout bounds how long Close waits for work in the background.
const closeTimeout = 10 * time.Second

// way is a way of connecting pods. There are two: CNI plugins and the embedded bridge.
type way interface {
	// Has says whether the pod was connected this way, by whatever daemon.
	Has(id string) bool
	Attach(ctx context.Context, p attachment.Pod) (attachment.Result, error)
	Detach(ctx context.Context, id string) error
	Check(ctx context.Context, p attachment.Pod) error
	GC(ctx context.Context, live map[string]bool) error
}

// Manager connects and disconnects pods. It is safe for concurrent use: calls for one pod wait for each other.
type Manager struct {
	pins    *netns.Pins
	plugins *cni.Network
	// embedded is nil if it is disabled.
	embedded *bridge.Network
	busy     *locks
	closing  sync.Once
}

// New opens the network's state. Nothing in the kernel is touched but the mount point of the namespaces' pins.
func New(c Config) (*Manager, error) {
	c = c.withDefaults()
	m := &Manager{busy: newLocks()}
	var err error
	m.pins, err = netns.OpenPins(filepath.Join(c.StateDir, "netns"))
	if err != nil {
		return nil, fmt.Errorf("network namespaces: %w", err)
	}
	m.plugins, err = cni.Open(cni.Options{
		ConfDir: c.CNIConfDir, BinDirs: c.CNIBinDirs, CacheDir: c.CacheDir, Shared: c.CNIShared, Log: c.Log,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("CNI: %w", err), m.pins.Close())
	}
	if c.Bridge.Disabled {
		return m, nil
	}
	m.embedded, err = bridge.Open(bridge.Options{Config: c.Bridge, Dir: filepath.Join(c.DataDir, "bridge"), Log: c.Log})
	if err != nil {
		m.plugins.Close()
		return nil, errors.Join(fmt.Errorf("embedded network: %w", err), m.pins.Close())
	}
	return m, nil
}

// Status is nil when pods can be attached, else says what is missing. It answers from memory, but for the first time, when the
// embedded bridge is made (2 ms).
func (m *Manager) Status() error {
	err := m.plugins.Status()
	if errors.Is(err, cni.ErrNotConfigured) && m.embedded != nil {
		return m.embedded.Ready()
	}
	return err
}

// Attach connects the pod, whose namespace exists, and gives its addresses. For a pod that is attached it answers
// what was made then, and one whose attachment was broken off it finishes. After an error nothing is attached, or,
// if even that failed, Detach and GC know what is left.
func (m *Manager) Attach(ctx context.Context, p Pod) (Result, error) {
	if err := netns.CheckID(p.ID); err != nil {
		return Result{}, err
	}
	unlock, err := m.busy.lock(ctx, p.ID)
	if err != nil {
		return Result{}, fmt.Errorf("attach pod %s: another call for it is under way: %w", p.ID, err)
	}
	defer unlock()
	w, err := m.choose(p.ID)
	if err != nil {
		return Result{}, err
	}
	return w.Attach(ctx, p)
}

// choose gives the way for a pod: the one that it was connected by already, else CNI if there is a configuration, else the bridge.
func (m *Manager) choose(id string) (way, error) {
	if m.embedded != nil && m.embedded.Has(id) {
		return m.embedded, nil
	}
	if m.plugins.Has(id) {
		return m.plugins, nil
	}
	if err := m.plugins.Configured(); !errors.Is(err, cni.ErrNotConfigured) {
		return m.plugins, err
	} else if m.embedded == nil {
		return nil, err
	}
	return m.embedded, nil
}

func (m *Manager) ways() []way {
	if m.embedded == nil {
		return []way{m.plugins}
	}
	return []way{m.plugins, m.embedded}
}

// Detach disconnects the pod and frees its addresses and host ports. Only p.ID is needed. No error when nothing is attached;
// the namespace may be gone; the configuration that the pod was attached with is used, whatever the current one is.
func (m *Manager) Detach(ctx context.Context, p Pod) error {
	if err := netns.CheckID(p.ID); err != nil {
		return err
	}
	unlock, err := m.busy.lock(ctx, p.ID)
	if err != nil {
		return fmt.Errorf("detach pod %s: another call for it is under way: %w", p.ID, err)
	}
	defer unlock()
	var errs []error
	for _, w := range m.ways() {
		errs = append(errs, w.Detach(ctx, p.ID))
	}
	return errors.Join(errs...)
}

// Check verifies that what Attach made is still there.
func (m *Manager) Check(ctx context.Context, p Pod) error {
	if err := netns.CheckID(p.ID); err != nil {
		return err
	}
	unlock, err := m.busy.lock(ctx, p.ID)
	if err != nil {
		return fmt.Errorf("check pod %s: another call for it is under way: %w", p.ID, err)
	}
	defer unlock()
	for _, w := range m.ways() {
		if w.Has(p.ID) {
			return w.Check(ctx, p)
		}
	}
	return fmt.Errorf("pod %s: %w", p.ID, ErrNotAttached)
}

// GC detaches what an earlier daemon attached and belongs to no pod of live, and has CNI plugins collect their garbage.
// Pods that were attached since New are not touched. Namespaces stay, see Namespaces.
func (m *Manager) GC(ctx context.Context, live []string) error {
	alive := make(map[string]bool, len(live))
	for _, id := range live {
		alive[id] = true
	}
	var errs []error
	for _, w := range m.ways() {
		errs = append(errs, w.GC(ctx, alive))
	}
	return errors.Join(errs...)
}

// NewNamespace makes a network namespace with lo up and pins it under the pod's ID. It is owned by the daemon's user
// namespace. When the ID has one, that one is used.
func (m *Manager) NewNamespace(ctx context.Context, id string) (path string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return m.pins.New(id)
}

// PinNamespace pins a namespace that somebody else made, and brings its lo up. A threaded process cannot join a user
// namespace (setns(2): EINVAL), so the pod's monitor makes the network namespaces that belong to one.
func (m *Manager) PinNamespace(ctx context.Context, id string, ns *os.File) (path string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return m.pins.Pin(id, ns)
}

// RemoveNamespace removes the pin of the ID. The kernel takes the namespace down in the background, after its last
// process. No error when there is none.
func (m *Manager) RemoveNamespace(_ context.Context, id string) error { return m.pins.Remove(id) }

// NamespacePath is where the ID's namespace is pinned, whether it exists or not.
func (m *Manager) NamespacePath(id string) string { return m.pins.Path(id) }

// Namespaces lists the IDs that have a pin. After a restart the caller removes those that no pod owns.
func (m *Manager) Namespaces() ([]string, error) { return m.pins.List() }

// Close waits, with a bound, for work in the background. Attached pods stay attached; without any, the bridge goes too.
func (m *Manager) Close() (err error) {
	m.closing.Do(func() { err = m.close() })
	return err
}

func (m *Manager) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	m.plugins.Close()
	var err error
	if m.embedded != nil {
		err = m.embedded.Close(ctx)
	}
	return errors.Join(err, m.pins.Close())
}
