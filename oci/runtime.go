// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"log/slog"

	"crisp/oci/cgroup"
)

// Config configures a Runtime.
type Config struct {
	Cgroups *cgroup.Manager
	Log     *slog.Logger // nil: slog.Default()
}

// Runtime creates containers. It is safe for concurrent use and holds no state of any container.
type Runtime struct {
	cgroups *cgroup.Manager
	log     *slog.Logger
}

// New probes the host.
func New(c Config) (*Runtime, error) { return nil, errors.ErrUnsupported }

// Close closes the Runtime's files. Containers go on.
func (r *Runtime) Close() error { return nil }
