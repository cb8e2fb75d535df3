// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"crisp/oci/cgroup"
	"crisp/oci/seccomp"
)

// Config configures a Runtime.
type Config struct {
	Cgroups *cgroup.Manager // stays the caller's
	Log     *slog.Logger    // nil: slog.Default()
	Lazy    bool            // open nothing before it is wanted: of a program that makes one container
}

// Runtime creates containers. It is safe for concurrent use and holds no state of any container.
type Runtime struct {
	cgroups        *cgroup.Manager
	log            *slog.Logger
	host           Host
	seccomp        *seccomp.Compiler
	proc           procfs
	hostNamespaces func() (map[inode]bool, error)
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
	r.hostNamespaces = sync.OnceValues(hostNamespaces)
	if c.Lazy {
		return r, nil
	}
	if _, err := r.hostNamespaces(); err != nil {
		return nil, fmt.Errorf("probe the host: %w", err)
	}
	if _, err := r.proc.open(); err != nil {
		return nil, err
	}
	return r, nil
}

// Close closes the Runtime's files. Containers go on.
func (r *Runtime) Close() error { return r.proc.close() }

// procfs is a detached procfs of the host. With Config.Lazy it is made when the first plan wants it: to let go of it costs the kernel a
// millisecond or two (synchronize_rcu), which a command line would pay for every container.
type procfs struct {
	once sync.Once
	file *os.File
	err  error
}

func (p *procfs) open() (*os.File, error) {
	p.once.Do(func() {
		if p.file, p.err = openProc(); p.err != nil {
			p.err = fmt.Errorf("procfs: %w", p.err)
		}
	})
	return p.file, p.err
}

func (p *procfs) close() error {
	p.once.Do(func() { p.err = os.ErrClosed })
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// Host returns what was found out about the host.
func (r *Runtime) Host() Host { return r.host }
