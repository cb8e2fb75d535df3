// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"encoding/json"

	"crisp/oci"
	"crisp/oci/events"
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
	return c.loaded(ctx, func(k *oci.Container) error {
		made, err := k.UpdateResctrl(q.L3CacheSchema, q.MemBwSchema)
		if err != nil || made == nil {
			return err
		}
		b, err := json.Marshal(made)
		if err != nil {
			return err
		}
		c.IntelRdt = string(b)
		return c.write()
	})
}

// rdtStats reads the container's part of resctrl.
func (c *container) rdtStats(to *events.IntelRdt) error {
	s, err := c.kept()
	if err != nil || s.Spec.Linux.IntelRdt == nil {
		return err
	}
	return c.loaded(context.Background(), func(k *oci.Container) error {
		group, root, err := k.Schemata()
		if err == nil {
			to.ReadSchemata(group, root)
		}
		return err
	})
}
