// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"crisp/oci"
	"crisp/oci/cgroup"
)

// Config is what holds for every command.
type Config struct {
	Root      string // where the containers' directories are
	RootGiven bool   // somebody asked for it: that it is missing is an error then
	Systemd   bool   // cgroups by systemd
	// IgnoreCgroups: that cgroups cannot be made for want of rights is no error.
	IgnoreCgroups func() bool
	Log           *slog.Logger
}

// A Runtime carries out commands on the containers below one root. It holds nothing open but what StandBy started.
type Runtime struct {
	config  Config
	standby *standby
	only    []string // the hierarchies of cgroups to work with; nil: all
}

// New makes a Runtime.
func New(c Config) *Runtime { return &Runtime{standby: &standby{}, config: c} }

// An engine is what makes containers and changes them. Most commands need none, or only its cgroups: what is not asked for is not probed.
type engine struct {
	cgroups *cgroup.Manager
	oci     *oci.Runtime
}

func (r *Runtime) openCgroups() (*cgroup.Manager, error) {
	c := cgroup.Config{Log: r.config.Log, Lazy: true, Only: r.only}
	if r.config.Systemd {
		c.Driver = newDriver()
	}
	m, err := cgroup.New(c)
	if err != nil {
		return nil, fmt.Errorf("cgroups: %w", err)
	}
	return m, nil
}

func (r *Runtime) openEngine() (*engine, error) {
	m, err := r.openCgroups()
	if err != nil {
		return nil, err
	}
	o, err := oci.New(oci.Config{Cgroups: m, Log: r.config.Log, Lazy: true})
	if err != nil {
		m.Close()
		return nil, err
	}
	return &engine{cgroups: m, oci: o}, nil
}

func (e *engine) Close() {
	e.oci.Close()
	e.cgroups.Close()
}

func (c *container) withCgroups(use func(*cgroup.Manager) error) error {
	m, err := c.runtime.openCgroups()
	if err != nil {
		return err
	}
	defer m.Close()
	return use(m)
}

// withCgroup calls use with the container's cgroup, nil when it is gone.
func (c *container) withCgroup(use func(*cgroup.Cgroup) error) error {
	return c.withCgroups(func(m *cgroup.Manager) error {
		g, err := m.Open(c.Cgroup)
		if err != nil && !errors.Is(err, cgroup.ErrNotFound) {
			return err
		}
		if err != nil {
			g = nil
		}
		return use(g)
	})
}

// load gives the oci package's handle of the container.
func (c *container) load(ctx context.Context, e *engine, o *once) (*oci.Container, error) {
	k, err := c.kept()
	if err != nil {
		return nil, err
	}
	program, err := c.runtime.program(k)
	if err != nil {
		return nil, err
	}
	pid := c.Pid
	if !c.alive() {
		pid = 0
	}
	return e.oci.Load(ctx, oci.LoadRequest{ID: c.ID, Spec: k.Spec, Program: program, Pid: pid, Monitor: o, Bundle: c.Bundle, Root: c.Mount})
}

// loaded calls do with the container as package oci sees it.
func (c *container) loaded(ctx context.Context, do func(*oci.Container) error) error {
	e, err := c.runtime.openEngine()
	if err != nil {
		return err
	}
	defer e.Close()
	k, err := c.load(ctx, e, &once{container: c})
	if err != nil {
		return err
	}
	defer k.Close()
	return do(k)
}
