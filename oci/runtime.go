// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"crisp/oci/cgroup"
	"crisp/oci/seccomp"
)

// Config configures a Runtime.
type Config struct {
	Cgroups *cgroup.Manager // stays the caller's
	Log     *slog.Logger    // nil: slog.Default()
}

// Runtime creates containers. It is safe for concurrent use and holds no state of any container.
type Runtime struct {
	cgroups        *cgroup.Manager
	log            *slog.Logger
	host           Host
	seccomp        *seccomp.Compiler
	proc           *os.File // a detached procfs of the host
	hostNamespaces map[inode]bool
	resctrlRoot    string // of tests: what stands for the resctrl file system
}

// New probes the host.
func New(c Config) (*Runtime, error) {
	if c.Cgroups == nil {
		return nil, errors.New("oci: Config.Cgroups is missing")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	r := &Runtime{cgroups: c.Cgroups, log: c.Log, seccomp: seccomp.NewCompiler()}
	var err error
	if r.host, err = probeHost(c.Cgroups); err != nil {
		return nil, fmt.Errorf("probe the host: %w", err)
	}
	if r.hostNamespaces, err = hostNamespaces(); err != nil {
		return nil, fmt.Errorf("probe the host: %w", err)
	}
	if r.proc, err = openProc(); err != nil {
		return nil, fmt.Errorf("procfs: %w", err)
	}
	return r, nil
}

// Close closes the Runtime's files. Containers go on.
func (r *Runtime) Close() error { return r.proc.Close() }

// Host returns what was found out about the host.
func (r *Runtime) Host() Host { return r.host }
