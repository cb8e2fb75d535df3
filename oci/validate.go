// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Validate says what in a config.json is wrong or not supported yet: a joined list of *FieldError, each with its JSON path. What
// depends on the host or on files is not looked at. Create refuses what it refuses.
func Validate(spec *specs.Spec) error {
	v := validator{spec: spec}
	v.config()
	return v.findings.Errors()
}

// Check is Validate for whoever wrote the config.json: it wants a root too, and finds what is not advised.
func Check(spec *specs.Spec) Findings {
	v := validator{spec: spec, thorough: true}
	v.config()
	return v.findings
}

// ValidateProcess is Validate for the process of an exec.
func ValidateProcess(p *specs.Process) error {
	if p == nil {
		return invalid("process", "missing")
	}
	v := validator{spec: &specs.Spec{Linux: &specs.Linux{}}}
	v.process("process", p)
	return v.findings.Errors()
}

// validator collects what is to be said.
type validator struct {
	spec     *specs.Spec
	thorough bool // advice is wanted, and time does not matter
	findings Findings
}

func (v *validator) add(err error) {
	if f, ok := err.(*FieldError); ok { //nolint:errorlint // as made by invalid
		v.findings = append(v.findings, f)
	}
}

func (v *validator) invalid(field, format string, args ...any) {
	v.add(invalid(field, fmt.Sprintf(format, args...)))
}

func (v *validator) unsupported(field string, is bool) {
	if is {
		v.add(unsupported(field))
	}
}

// advise is for what the runtime spec says SHOULD of, or what has no effect.
func (v *validator) advise(is bool, field, format string, args ...any) {
	if is && v.thorough {
		v.add(advice(field, fmt.Sprintf(format, args...)))
	}
}

// at is the path of an element.
func at(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

// key is the path of a value of a map.
func key(field, name string) string { return field + "[" + strconv.Quote(name) + "]" }

func (v *validator) config() {
	if v.spec == nil {
		v.invalid("config.json", "missing")
		return
	}
	v.version()
	v.supported()
	if v.spec.Process == nil {
		v.invalid("process", "missing")
	} else {
		v.process("process", v.spec.Process)
	}
	v.mounts()
	v.hooks()
	v.annotations()
	if v.spec.Linux == nil {
		v.invalid("linux", "missing")
	} else {
		v.linux()
	}
	if v.thorough {
		v.root()
		v.platforms()
	}
}

// version refuses a specification that this code was not written against: a higher major version may mean anything.
func (v *validator) version() {
	given := v.spec.Version
	if given == specs.Version {
		return
	}
	major, minor, ok := parseVersion(given)
	switch {
	case !ok:
		v.invalid("ociVersion", "%q: not a version as in semver 2.0.0", given)
	case major > specs.VersionMajor:
		v.invalid("ociVersion", "%s: higher than %s", given, specs.Version)
	case major == specs.VersionMajor && minor > specs.VersionMinor:
		v.advise(true, "ociVersion", "%s: fields that are newer than %s are ignored", given, specs.Version)
	}
}

// supported names the fields that are not carried out yet. To ignore one silently could cost its user what it was set for.
func (v *validator) supported() {
	v.unsupported("vm", v.spec.VM != nil)
}

// root demands the field that a caller of Create may leave out, who gives the root as a file.
func (v *validator) root() {
	switch r := v.spec.Root; {
	case r == nil:
		v.invalid("root", "missing")
	case r.Path == "":
		v.invalid("root.path", "missing")
	default:
		v.text("root.path", r.Path)
	}
}

// platforms names the fields of other operating systems, which are left unread.
func (v *validator) platforms() {
	s := v.spec
	for _, p := range []struct {
		name string
		is   bool
	}{{"freebsd", s.FreeBSD != nil}, {"solaris", s.Solaris != nil}, {"windows", s.Windows != nil}, {"zos", s.ZOS != nil}} {
		v.advise(p.is, p.name, "ignored: the platform is linux")
	}
	if p := s.Process; p != nil {
		v.advise(p.CommandLine != "", "process.commandLine", "ignored: the platform is linux")
		v.advise(p.User.Username != "", "process.user.username", "ignored: the platform is linux")
	}
}

// text refuses what a C string cannot hold.
func (v *validator) text(field, value string) {
	if strings.IndexByte(value, 0) >= 0 {
		v.invalid(field, "has a NUL byte")
	}
}

func (v *validator) texts(field string, values []string) {
	for i, s := range values {
		if strings.IndexByte(s, 0) >= 0 {
			v.text(at(field, i), s)
		}
	}
}
