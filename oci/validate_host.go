// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"slices"
	"strings"

	"crisp/oci/cgroup"
	"crisp/oci/cgroup/systemd"
	"crisp/oci/hook"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// ProbeHost finds out what plans depend on, for who makes no containers.
func ProbeHost(m *cgroup.Manager) (Host, error) { return probeHost(m) }

// Plan compiles a config.json as a bundle's create does, for a person to read.
func Plan(spec *specs.Spec, bundle string, host Host) (*Compiled, error) {
	const id = "ID"
	return Compile(spec, CompileOptions{
		ID: id, Bundle: bundle, CgroupPath: cgroupDirectory(CgroupPath(id, spec)), Host: host, Start: true, Halt: hook.BeforePivot(spec.Hooks), FindProgram: true,
	})
}

// cgroupDirectory is where the cgroup of a path is, below each hierarchy.
func cgroupDirectory(p string) string {
	if u, err := systemd.New(systemd.Config{}).Unit(p); err == nil && isSystemdPath(p) {
		return u.Directory
	}
	return p
}

// CheckHost finds what a config.json that is valid in itself cannot have on a host.
func CheckHost(spec *specs.Spec, host Host) Findings {
	c, err := Plan(spec, "/", host)
	var f *FieldError
	switch {
	case errors.As(err, &f):
		return Findings{{Field: f.Field, Reason: f.Reason, Err: f.Err, Scope: ScopeHost}}
	case err != nil:
		return Findings{{Reason: err.Error(), Err: err, Scope: ScopeHost}}
	}
	var all Findings
	elsewhere := warningsAnywhere(spec)
	for _, w := range c.Warnings {
		field, reason, ok := strings.Cut(w, ": ")
		if !ok {
			field, reason = "", w
		}
		if slices.Contains(elsewhere, w) { // Check says it, with the place
			continue
		}
		all = append(all, &FieldError{Field: field, Reason: reason, Err: ErrAdvice, Severity: SeverityWarning, Scope: ScopeHost})
	}
	return all
}

// warningsAnywhere are those that a plan for a host without any limits has.
func warningsAnywhere(spec *specs.Spec) []string {
	c, err := Plan(spec, "/", Host{
		CgroupDir: true, AppArmor: true, SELinux: true, TimeOffsets: true, Capabilities: ^uint64(0), RaiseLimits: true, UnifiedMount: "/sys/fs/cgroup",
	})
	if err != nil {
		return nil
	}
	return c.Warnings
}
