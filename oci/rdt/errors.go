// SPDX-License-Identifier: Apache-2.0

package rdt

import "errors"

// Errors of Find and Open.
var (
	// ErrNotMounted: there is no resctrl file system in this mount namespace: the hardware or the kernel has no such thing, or the
	// user has not mounted it.
	ErrNotMounted = errors.New("no resctrl file system is mounted")
)

// Errors of Make.
var (
	// ErrExists: the directory of a container without a closID, or its monitoring group, is there already.
	ErrExists = errors.New("resctrl group exists already")
	// ErrNoClass: a closID without any schema, which must be there before.
	ErrNoClass = errors.New("class of service does not exist")
	// ErrMismatch: a class of service that is there has another schema than the container's.
	ErrMismatch = errors.New("class of service has another schema")
	// ErrSchema: a text is not a schema.
	ErrSchema = errors.New("not a schema")
)
