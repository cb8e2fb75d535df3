// SPDX-License-Identifier: Apache-2.0

package cgroup

import "github.com/opencontainers/runtime-spec/specs-go"

// Check says why limits could not be set on a new cgroup of this host, without making one.
func (m *Manager) Check(r *specs.LinuxResources) error {
	if r == nil {
		return nil
	}
	_, err := (&Cgroup{m: m}).translate(r, true)
	return err
}
