// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"fmt"
	"os"

	"crisp/oci/cgroup"
	"crisp/oci/cgroup/systemd"

	"github.com/moby/sys/userns"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// With --systemd-cgroup a container's cgroup is a scope of systemd's. Later commands see it by the record: they need no option.

// nameUnit names the scope of a new container that asks for no particular one.
func nameUnit(q *CreateRequest) error {
	if q.Spec.Linux == nil {
		q.Spec.Linux = &specs.Linux{}
	}
	p := &q.Spec.Linux.CgroupsPath
	if *p == "" {
		*p = ":crisp:" + q.ID
	}
	if _, err := newDriver().Unit(*p); err != nil {
		return fmt.Errorf("expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got %q instead: %w", *p, err)
	}
	return nil
}

// newDriver asks the host's systemd, or, for who is not the host's root, the user's own.
func newDriver() *systemd.Driver {
	return systemd.New(systemd.Config{User: os.Geteuid() != 0 || userns.RunningInUserNS()})
}

// bySystemd is this Runtime for a container whose cgroup was made so.
func (r *Runtime) bySystemd(is bool) *Runtime {
	if !is || r.config.Systemd {
		return r
	}
	other := *r
	other.config.Systemd = true
	return &other
}

// releaseCgroup removes the container's cgroup, with processes that outlived the first, and its unit.
func (c *container) releaseCgroup(ctx context.Context) error {
	return c.withCgroups(func(m *cgroup.Manager) error { return m.Release(ctx, c.Cgroup) })
}
