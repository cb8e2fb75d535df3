// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"slices"

	"crisp/oci/seccomp"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// ValidateSeccomp is Validate for linux.seccomp alone, for whoever leaves it out because it is compiled already.
func ValidateSeccomp(s *specs.LinuxSeccomp) error {
	v := validator{spec: &specs.Spec{Linux: &specs.Linux{Seccomp: s}}}
	v.seccomp()
	return v.findings.Errors()
}

// seccomp names what of a profile package seccomp refuses, which stops at the first fault; that is asked last for the rest.
func (v *validator) seccomp() {
	const field = "linux.seccomp"
	s := v.spec.Linux.Seccomp
	if s == nil {
		return
	}
	v.errno(field+".defaultErrnoRet", s.DefaultAction, s.DefaultErrnoRet)
	if s.ListenerMetadata != "" && s.ListenerPath == "" {
		v.invalid(field+".listenerMetadata", "without listenerPath")
	}
	notifies := func(c specs.LinuxSyscall) bool { return c.Action == specs.ActNotify }
	v.advise(s.ListenerPath != "" && !slices.ContainsFunc(s.Syscalls, notifies), field+".listenerPath", "ignored: no rule has SCMP_ACT_NOTIFY")
	for i := range s.Syscalls {
		c := &s.Syscalls[i]
		entry := at(field+".syscalls", i)
		if len(c.Names) == 0 {
			v.invalid(entry+".names", "missing")
		}
		v.errno(entry+".errnoRet", c.Action, c.ErrnoRet)
	}
	if !v.thorough {
		return
	}
	before := len(v.findings)
	v.seccompWords(field, s)
	if v.findings[before:].Errors() != nil {
		return // it would say the same
	}
	if _, err := seccomp.Compile(s); err != nil && !errors.Is(err, seccomp.ErrArchitecture) {
		v.invalid(field, "%v", err)
	}
}

// errno refuses a value for an action that has none.
func (v *validator) errno(field string, action specs.LinuxSeccompAction, errno *uint) {
	if errno != nil && action != specs.ActErrno && action != specs.ActTrace {
		v.invalid(field, "%s has none", action)
	}
}

func (v *validator) seccompWords(field string, s *specs.LinuxSeccomp) {
	v.action(field+".defaultAction", s.DefaultAction)
	for i, a := range s.Architectures {
		if !seccomp.KnownArchitecture(a) {
			v.invalid(at(field+".architectures", i), "%q: unknown", a)
		}
	}
	for i, f := range s.Flags {
		if !seccomp.KnownFlag(f) {
			v.invalid(at(field+".flags", i), "%q: unknown", f)
		}
	}
	for i := range s.Syscalls {
		v.syscalls(at(field+".syscalls", i), &s.Syscalls[i])
	}
}

func (v *validator) syscalls(field string, c *specs.LinuxSyscall) {
	for i, name := range c.Names {
		v.advise(!seccomp.KnownSyscall(name), at(field+".names", i), "%q: no system call that is known here, ignored", name)
	}
	v.action(field+".action", c.Action)
	for i, a := range c.Args {
		entry := at(field+".args", i)
		if a.Index > 5 {
			v.invalid(entry+".index", "%d: a system call has six arguments", a.Index)
		}
		if !seccomp.KnownOperator(a.Op) {
			v.invalid(entry+".op", "%q: unknown", a.Op)
		}
		v.advise(a.ValueTwo != 0 && a.Op != specs.OpMaskedEqual, entry+".valueTwo", "ignored: only SCMP_CMP_MASKED_EQ has one")
	}
}

func (v *validator) action(field string, a specs.LinuxSeccompAction) {
	if !seccomp.KnownAction(a) {
		v.add(invalid(field, fmt.Sprintf("%q: unknown", a)))
	}
}
