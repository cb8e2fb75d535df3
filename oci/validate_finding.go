// SPDX-License-Identifier: Apache-2.0

package oci

import "errors"

// Severity says what follows from a finding, by the words of RFC 2119 that the runtime spec uses.
type Severity int

// The severities.
const (
	SeverityError   Severity = iota // a MUST: such a container is not created
	SeverityWarning                 // a SHOULD, or what the spec wants to be logged: the container is created
)

func (s Severity) String() string {
	if s == SeverityWarning {
		return "warning"
	}
	return "error"
}

// Scope says what a finding is about.
type Scope int

// The scopes.
const (
	ScopeSpec   Scope = iota // the config.json, wherever it is used
	ScopeHost                // this machine: another one may be able to do it
	ScopeBundle              // a file that the config.json names
)

func (s Scope) String() string {
	switch s {
	case ScopeHost:
		return "host"
	case ScopeBundle:
		return "bundle"
	}
	return "spec"
}

// Findings is all that is to be said about a config.json.
type Findings []*FieldError

// Errors joins the errors; nil without any.
func (f Findings) Errors() error {
	var errs []error
	for _, e := range f {
		if e.Severity == SeverityError {
			errs = append(errs, e)
		}
	}
	return errors.Join(errs...)
}

func advice(field, reason string) *FieldError {
	return &FieldError{Field: field, Reason: reason, Err: ErrAdvice, Severity: SeverityWarning}
}
