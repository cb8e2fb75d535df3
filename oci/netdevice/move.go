// SPDX-License-Identifier: Apache-2.0

package netdevice

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Moved are devices that were moved. It wants Undo or Release.
type Moved struct {
	host, inside *conn
	home         *os.File // the host's namespace
	devices      []moved
}

// moved is one device: what it was, and which it is now.
type moved struct {
	device
	addresses []address
	now       device
}

// Move moves devices of the namespace that this process is in into another one, in the order of their names. On an error all are
// back. The namespace stays the caller's, and must stay open until Undo or Release: it lives as long.
func Move(devices map[string]specs.LinuxNetDevice, ns *os.File) (*Moved, error) {
	m, err := newMoved(ns)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(devices)) {
		as := devices[name].Name
		if as == "" {
			as = name
		}
		if err := m.move(name, as, ns); err != nil {
			return nil, errors.Join(fmt.Errorf("network device %s: %w", name, err), m.Undo())
		}
	}
	return m, nil
}

func newMoved(ns *os.File) (*Moved, error) {
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	host, err := dial()
	if err != nil {
		home.Close()
		return nil, err
	}
	inside, err := dialIn(ns)
	if err != nil {
		home.Close()
		host.close()
		return nil, fmt.Errorf("network namespace of the container: %w", err)
	}
	return &Moved{host: host, inside: inside, home: home}, nil
}

// move moves one device. What was done to it is known to Undo from the moment on that it is changed.
func (m *Moved) move(name, as string, ns *os.File) error {
	d := moved{}
	var err error
	if d.device, err = m.host.device(name); err != nil {
		return err
	}
	if d.addresses, err = m.host.addresses(d.index); err != nil {
		return fmt.Errorf("addresses: %w", err)
	}
	before, err := m.inside.devices()
	if err != nil {
		return err
	}
	if as, err = freeName(as, before); err != nil {
		return err
	}
	if err := m.host.set(d.index, false); err != nil {
		return fmt.Errorf("set down: %w", err)
	}
	m.devices = append(m.devices, d)
	last := &m.devices[len(m.devices)-1]
	err = m.host.move(d.index, ns, as)
	// Where the name was taken in the very moment, the kernel has moved the device but not renamed it.
	found := m.find(before, as, d.name)
	switch {
	case err != nil:
		last.now = found
		return fmt.Errorf("move into the container as %s: %w", as, err)
	case found.index == 0:
		return fmt.Errorf("%s in the container: %w", as, ErrNotFound)
	}
	last.now = found
	return m.configure(last)
}

// freeName checks that a name is free, or makes one of a template.
func freeName(name string, taken map[string]int32) (string, error) {
	prefix, template := strings.CutSuffix(name, "%d")
	if !template {
		if _, ok := taken[name]; ok {
			return "", fmt.Errorf("%s: %w", name, ErrExists)
		}
		return name, nil
	}
	for i := range len(taken) + 1 {
		s := prefix + strconv.Itoa(i)
		if _, ok := taken[s]; !ok && len(s) < unix.IFNAMSIZ {
			return s, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, ErrExists)
}

// find finds a device that is new in the container, by the names that it may have.
func (m *Moved) find(before map[string]int32, names ...string) device {
	for _, name := range names {
		d, err := m.inside.device(name)
		if index, was := before[name]; err == nil && (!was || index != d.index) {
			return d
		}
	}
	return device{}
}

// configure gives a device its addresses in the container and sets it up.
func (m *Moved) configure(d *moved) error {
	for _, a := range d.addresses {
		if a.scope != unix.RT_SCOPE_UNIVERSE {
			continue
		}
		if err := m.inside.add(a, d.now.index); err != nil {
			return fmt.Errorf("address in the container: %w", err)
		}
	}
	if err := m.inside.set(d.now.index, true); err != nil {
		return fmt.Errorf("set up in the container: %w", err)
	}
	return nil
}

// Names are those of the devices in the container.
func (m *Moved) Names() []string {
	var all []string
	for _, d := range m.devices {
		all = append(all, d.now.name)
	}
	return all
}

// Undo brings the devices back to the host, with their names and addresses, and up where they were.
func (m *Moved) Undo() error {
	var errs []error
	for _, d := range slices.Backward(m.devices) {
		if err := m.back(d); err != nil {
			errs = append(errs, fmt.Errorf("network device %s: back to the host: %w", d.name, err))
		}
	}
	m.Release()
	return errors.Join(errs...)
}

func (m *Moved) back(d moved) error {
	now := d.device
	if d.now.index != 0 {
		_ = m.inside.set(d.now.index, false)
		if err := m.inside.move(d.now.index, m.home, d.name); err != nil {
			return err
		}
		var err error
		if now, err = m.host.device(d.name); err != nil {
			return err
		}
	}
	var errs []error
	for _, a := range d.addresses {
		errs = append(errs, m.host.add(a, now.index))
	}
	if d.up {
		errs = append(errs, m.host.set(now.index, true))
	}
	return errors.Join(errs...)
}

// Release leaves the devices where they are.
func (m *Moved) Release() {
	if m.devices = nil; m.home == nil {
		return
	}
	m.home.Close()
	m.host.close()
	m.inside.close()
	m.home = nil
}
