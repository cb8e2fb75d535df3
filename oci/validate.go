// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Validate says what in a config.json is wrong or not supported yet: a joined list of *FieldError, each with its JSON path. What
// depends on the host or on files is not looked at.
func Validate(spec *specs.Spec) error {
	v := validator{spec: spec}
	if spec == nil {
		return invalid("config.json", "missing")
	}
	v.version()
	v.supported()
	if spec.Process == nil {
		v.invalid("process", "missing")
	} else {
		v.process("process", spec.Process)
	}
	v.mounts()
	if spec.Linux == nil {
		v.invalid("linux", "missing")
	} else {
		v.linux()
	}
	return errors.Join(v.errs...)
}

// ValidateProcess is Validate for the process of an exec.
func ValidateProcess(p *specs.Process) error {
	if p == nil {
		return invalid("process", "missing")
	}
	v := validator{spec: &specs.Spec{Linux: &specs.Linux{}}}
	v.process("process", p)
	return errors.Join(v.errs...)
}

// validator collects what is wrong.
type validator struct {
	spec *specs.Spec
	errs []error
}

func (v *validator) invalid(field, format string, args ...any) {
	v.errs = append(v.errs, invalid(field, fmt.Sprintf(format, args...)))
}

func (v *validator) unsupported(field string, is bool) {
	if is {
		v.errs = append(v.errs, unsupported(field))
	}
}

// version refuses a specification that this code was not written against: a higher major version may mean anything.
func (v *validator) version() {
	major, _, _ := strings.Cut(v.spec.Version, ".")
	n, err := strconv.Atoi(major)
	switch {
	case err != nil:
		v.invalid("ociVersion", "%q: not a version", v.spec.Version)
	case n > specs.VersionMajor:
		v.invalid("ociVersion", "%s: higher than %s", v.spec.Version, specs.Version)
	}
}

// supported names the fields that are not carried out yet. To ignore one silently could cost its user what it was set for.
func (v *validator) supported() {
	s := v.spec
	if h := s.Hooks; h != nil {
		//lint:ignore SA1019 deprecated, but still in use
		v.unsupported("hooks.prestart", len(h.Prestart) > 0)
		v.unsupported("hooks.createRuntime", len(h.CreateRuntime) > 0)
		v.unsupported("hooks.createContainer", len(h.CreateContainer) > 0)
		v.unsupported("hooks.startContainer", len(h.StartContainer) > 0)
		v.unsupported("hooks.poststart", len(h.Poststart) > 0)
		v.unsupported("hooks.poststop", len(h.Poststop) > 0)
	}
	v.unsupported("vm", s.VM != nil)
	if l := s.Linux; l != nil {
		v.unsupported("linux.netDevices", len(l.NetDevices) > 0)
		v.unsupported("linux.intelRdt", l.IntelRdt != nil)
		v.unsupported("linux.memoryPolicy", l.MemoryPolicy != nil)
		v.unsupported("linux.seccomp.listenerPath", l.Seccomp != nil && l.Seccomp.ListenerPath != "")
	}
}

func (v *validator) mounts() {
	for i := range v.spec.Mounts {
		m := &v.spec.Mounts[i]
		field := fmt.Sprintf("mounts[%d]", i)
		switch {
		case m.Destination == "":
			v.invalid(field+".destination", "missing")
		case path.Clean("/"+m.Destination) == "/":
			v.invalid(field+".destination", "%q: the root has its own field", m.Destination)
		}
		v.text(field+".destination", m.Destination)
		v.text(field+".source", m.Source)
		v.text(field+".type", m.Type)
		v.text(field+".options", m.Options...)
		if (len(m.UIDMappings) == 0) != (len(m.GIDMappings) == 0) {
			v.invalid(field+".uidMappings", "uidMappings and gidMappings go together")
		}
		v.mappings(field+".uidMappings", m.UIDMappings)
		v.mappings(field+".gidMappings", m.GIDMappings)
	}
}

// text refuses what a C string cannot hold.
func (v *validator) text(field string, values ...string) {
	for _, s := range values {
		if strings.IndexByte(s, 0) >= 0 {
			v.invalid(field, "has a NUL byte")
		}
	}
}

func (v *validator) mappings(field string, all []specs.LinuxIDMapping) {
	for i, m := range all {
		switch {
		case m.Size == 0:
			v.invalid(fmt.Sprintf("%s[%d].size", field, i), "is 0")
		case uint64(m.ContainerID)+uint64(m.Size) > unchanged, uint64(m.HostID)+uint64(m.Size) > unchanged:
			v.invalid(fmt.Sprintf("%s[%d].size", field, i), "%d: goes over the highest ID", m.Size)
		}
	}
}
