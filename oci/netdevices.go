// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"os"

	"crisp/oci/netdevice"

	"golang.org/x/sys/unix"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// netDevices are the devices of linux.netDevices of a container in the making.
type netDevices struct {
	moved *netdevice.Moved
	ns    *os.File // the network namespace that they are in now; it lives as long as this is open
}

// move moves devices into the network namespace of a process, which waits at its halt. It must not be the host's: the devices are there.
func (d *netDevices) move(r *Runtime, devices map[string]specs.LinuxNetDevice, pid int) error {
	if len(devices) == 0 {
		return nil
	}
	ns, err := os.Open("/proc/" + itoa(pid) + "/ns/net")
	if err != nil {
		return fmt.Errorf("linux.netDevices: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(ns.Fd()), &st); err != nil || r.isHosts(&st) {
		ns.Close()
		return fmt.Errorf("linux.netDevices: %w: the container is in the host's network", ErrWrongNamespace)
	}
	if d.moved, err = netdevice.Move(devices, ns); err != nil {
		ns.Close()
		return fmt.Errorf("linux.netDevices: %w", err)
	}
	d.ns = ns
	return nil
}

// undo brings the devices of a container that could not be made back to the host.
func (d *netDevices) undo(r *Runtime, id string) {
	if d.moved == nil {
		return
	}
	if err := d.moved.Undo(); err != nil {
		r.log.Error("network devices of a failed container", "container", id, "error", err)
	}
	d.ns.Close()
}

// release leaves the devices to the container that has been made.
func (d *netDevices) release() {
	if d.moved == nil {
		return
	}
	d.moved.Release()
	d.ns.Close()
}
