// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"net"
	"os"
)

// Manager connects and disconnects pods. It is safe for concurrent use.
type Manager struct{}

// New opens the network's state. Nothing in the kernel is touched but the mount point of the namespaces' pins.
func New(Config) (*Manager, error) { return &Manager{}, nil }

// Status is nil when pods can be attached, else says what is missing. It answers from memory.
func (m *Manager) Status() error { return errors.ErrUnsupported }

// Attach connects the pod, whose namespace exists, and gives its addresses. For a pod that is attached it answers
// what was made then, and for one whose attachment was broken off it finishes it.
func (m *Manager) Attach(ctx context.Context, p Pod) (Result, error) {
	return Result{}, errors.ErrUnsupported
}

// Detach disconnects the pod and frees its addresses and host ports. Only p.ID is needed. No error when nothing is attached;
// the namespace may be gone; the configuration that the pod was attached with is used, whatever the current one is.
func (m *Manager) Detach(ctx context.Context, p Pod) error { return errors.ErrUnsupported }

// Check verifies that what Attach made is still there.
func (m *Manager) Check(ctx context.Context, p Pod) error { return errors.ErrUnsupported }

// GC detaches what belongs to no pod of live. Namespaces stay, see Namespaces.
func (m *Manager) GC(ctx context.Context, live []string) error { return errors.ErrUnsupported }

// NewNamespace makes a network namespace with lo up and pins it under the pod's ID. It is owned by the daemon's user namespace.
func (m *Manager) NewNamespace(ctx context.Context, id string) (path string, err error) {
	return "", errors.ErrUnsupported
}

// PinNamespace pins a namespace that somebody else made, and brings its lo up. A threaded process cannot join a user
// namespace (setns(2): EINVAL), so the pod's monitor makes the network namespaces that belong to one.
func (m *Manager) PinNamespace(ctx context.Context, id string, ns *os.File) (path string, err error) {
	return "", errors.ErrUnsupported
}

// RemoveNamespace removes the pin of the ID. The kernel takes the namespace down in the background, after its last
// process. No error when there is none.
func (m *Manager) RemoveNamespace(ctx context.Context, id string) error { return errors.ErrUnsupported }

// NamespacePath is where the ID's namespace is pinned, whether it exists or not.
func (m *Manager) NamespacePath(id string) string { return "" }

// Namespaces lists the IDs that have a pin. After a restart the caller removes those that no pod owns.
func (m *Manager) Namespaces() ([]string, error) { return nil, errors.ErrUnsupported }

// Close waits, with a bound, for work in the background. Attached pods stay attached.
func (m *Manager) Close() error { return nil }

// Dial connects to a TCP port of the namespace's loopback, 127.0.0.1 first and then ::1. nsPath "" is the node's namespace.
func Dial(ctx context.Context, nsPath string, port int32) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}

// InterfaceStats are the counters of one interface, as seen from inside the namespace.
type InterfaceStats struct {
	Name                                    string
	RxBytes, RxPackets, RxErrors, RxDropped uint64
	TxBytes, TxPackets, TxErrors, TxDropped uint64
}

// Stats reads the counters of each interface of a namespace but lo. nsPath "" is the node's namespace.
func Stats(nsPath string) ([]InterfaceStats, error) { return nil, errors.ErrUnsupported }
