// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"fmt"

	"crisp/oci"
	"crisp/oci/checkpoint"
)

// Checkpoint saves the processes of a running or paused container by criu. Unless they are left running, or their memory alone is saved, the
// container is deleted then.
func (r *Runtime) Checkpoint(ctx context.Context, id string, o checkpoint.Options) error {
	c, err := r.openLocked(id)
	if err != nil {
		return err
	}
	defer c.Close()
	if s := c.status(); s != Running && s != Paused {
		//lint:ignore ST1005 runc's words, which engines look for
		return fmt.Errorf("Container cannot be checkpointed in %s state", s)
	}
	if o.LazyPages { // it ends when the last page has gone to whoever restores it, or never
		unlock(int(c.dir.Fd()))
	}
	if err := c.checkpoint(ctx, o); err != nil {
		return err
	}
	if o.LeaveRunning || o.PreDump {
		return nil
	}
	if err := c.deleteEnded(ctx); err != nil {
		r.config.Log.Warn(err.Error())
	}
	return nil
}

func (c *container) checkpoint(ctx context.Context, o checkpoint.Options) error {
	kept, err := c.kept()
	if err != nil {
		return err
	}
	return c.loaded(ctx, func(k *oci.Container) error {
		return k.Checkpoint(ctx, oci.CheckpointRequest{Spec: kept.Spec, Bundle: c.Bundle, Options: o})
	})
}
