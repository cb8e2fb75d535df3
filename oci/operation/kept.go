// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"crisp/oci"
	"crisp/oci/config"
	"crisp/oci/seccomp"
	"crisp/oci/seccomp/cache"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// seccompDir is where compiled profiles are kept below the root. No container's ID has an @.
const seccompDir = "@seccomp"

// kept is the config.json that the container was made of, with what was decided about it then and has been changed since.
func (c *container) kept() (*config.Config, error) {
	k, err := config.Parse(c.config)
	if err == nil && k.Spec == nil {
		err = errors.New("null")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", recordName, ConfigName, err)
	}
	s := k.Spec
	if s.Linux == nil {
		s.Linux = &specs.Linux{}
	}
	s.Linux.CgroupsPath = c.Cgroup
	if c.IntelRdt != "" {
		if err := json.Unmarshal([]byte(c.IntelRdt), &s.Linux.IntelRdt); err != nil {
			return nil, fmt.Errorf("%s: intelRdt: %w", recordName, err)
		}
	}
	if c.TimeNamespace && !hasNamespace(s.Linux, specs.TimeNamespace) {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
	}
	if s.Process != nil {
		tellListenFDs(s.Process, c.ListenFDs)
	}
	return k, nil
}

func hasNamespace(l *specs.Linux, t specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(l.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == t })
}

// program is what linux.seccomp was compiled to, now or earlier; nil: left to package oci, or there is none.
func (r *Runtime) program(c *config.Config) (*seccomp.Program, error) {
	if c.Seccomp == nil {
		return nil, nil
	}
	store := cache.Store{Dir: r.path(seccompDir)}
	var wrong error
	p, err := store.Compile(c.Seccomp, func(raw []byte) (*specs.LinuxSeccomp, error) {
		var profile *specs.LinuxSeccomp
		if profile, wrong = c.ParseSeccomp(raw); wrong == nil {
			wrong = oci.ValidateSeccomp(profile) // what is kept was found good
		}
		return profile, wrong
	})
	if wrong != nil {
		return nil, wrong
	}
	return oci.SeccompProgram(p, err)
}
