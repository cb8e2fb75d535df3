// SPDX-License-Identifier: Apache-2.0

package oci

import "errors"

// Errors of Validate and Compile, which say in a FieldError what is at fault. A field that this runtime does not carry out
// yet gives one that wraps errors.ErrUnsupported.
var (
	// ErrInvalid: the config.json breaks the runtime spec or contradicts itself.
	ErrInvalid = errors.New("invalid config")
	// ErrAdvice: the config.json does what the runtime spec advises against, or cannot have an effect. It is never a reason to fail.
	ErrAdvice = errors.New("not advised")
)

// Errors of Create and Exec.
var (
	// ErrLSM: an AppArmor profile or SELinux label is asked for, and the host does not have that module on.
	ErrLSM = errors.New("security module not enabled on this host")
	// ErrWrongNamespace: a path of linux.namespaces is not a namespace of its type, or is the host's where that would let
	// a sysctl through to the host.
	ErrWrongNamespace = errors.New("wrong namespace")
	// ErrRootless: what is asked for is root's to have.
	ErrRootless = errors.New("not for rootless containers")
	// ErrIDMap: a file system cannot be mounted with mapped IDs.
	ErrIDMap = errors.New("ID-mapped mount not possible")
)

// Errors of the calls on a container.
var (
	// ErrNotRunning: the container's first process has exited.
	ErrNotRunning = errors.New("container not running")
	// ErrRunning: the container's first process has not exited yet.
	ErrRunning = errors.New("container is running")
)

// A FieldError says which field of a config.json is at fault. Its Section of the runtime spec follows from the field.
type FieldError struct {
	Field    string // the JSON path: "mounts[3].options[1]"
	Reason   string
	Err      error // ErrInvalid, ErrAdvice, ErrLSM or errors.ErrUnsupported
	Severity Severity
	Scope    Scope
}

// Error returns "<field>: <reason>".
func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

// Unwrap returns Err.
func (e *FieldError) Unwrap() error { return e.Err }

func invalid(field, reason string) error {
	return &FieldError{Field: field, Reason: reason, Err: ErrInvalid}
}

func unsupported(field string) error {
	return &FieldError{Field: field, Reason: "not supported yet", Err: errors.ErrUnsupported}
}
