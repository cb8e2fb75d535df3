// SPDX-License-Identifier: Apache-2.0

package oci

import "errors"

// Errors of Compile and Validate.
var (
	// ErrInvalid: the config.json contradicts the runtime spec or itself. The error names the JSON path.
	ErrInvalid = errors.New("invalid config")
	// Fields of config.json that this runtime does not carry out yet give an error that wraps errors.ErrUnsupported.
)

// Errors of the calls on a container.
var (
	// ErrNotRunning: the container's first process has exited.
	ErrNotRunning = errors.New("container not running")
	// ErrRunning: the container's first process has not exited yet.
	ErrRunning = errors.New("container is running")
)
