// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"encoding/json"

	"crisp/oci/events"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// RdtRequest says what a container may use of caches and of memory bandwidth; "" is no change.
type RdtRequest struct{ L3CacheSchema, MemBwSchema string }

// UpdateRdt changes that.
func (r *Runtime) UpdateRdt(ctx context.Context, id string, q RdtRequest) error {
	c, err := r.openLocked(id)
	if err != nil {
		return err
	}
	defer c.Close()
	if !c.alive() {
		return ErrNotRunning
	}
	e, err := r.openEngine()
	if err != nil {
		return err
	}
	defer e.Close()
	k, err := c.load(ctx, e, &once{container: c})
	if err != nil {
		return err
	}
	defer k.Close()
	made, err := k.UpdateResctrl(q.L3CacheSchema, q.MemBwSchema)
	if err != nil || made == nil {
		return err
	}
	return c.remember(func(s *specs.Spec) { s.Linux.IntelRdt = made })
}

// remember changes what is kept of the spec.
func (c *container) remember(change func(*specs.Spec)) error {
	s, err := c.spec()
	if err != nil {
		return err
	}
	if s.Linux == nil {
		s.Linux = &specs.Linux{}
	}
	change(s)
	if c.Spec, err = json.Marshal(s); err != nil {
		return err
	}
	return c.write()
}

// rdtStats reads the container's part of resctrl.
func (c *container) rdtStats(to *events.IntelRdt) error {
	s, err := c.spec()
	if err != nil || s.Linux == nil || s.Linux.IntelRdt == nil {
		return err
	}
	e, err := c.runtime.openEngine()
	if err != nil {
		return err
	}
	defer e.Close()
	k, err := c.load(context.Background(), e, &once{container: c})
	if err != nil {
		return err
	}
	defer k.Close()
	group, root, err := k.Schemata()
	if err == nil {
		to.ReadSchemata(group, root)
	}
	return err
}
