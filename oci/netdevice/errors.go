// SPDX-License-Identifier: Apache-2.0

package netdevice

import "errors"

// Errors of Move.
var (
	// ErrNotFound: the host has no device of this name.
	ErrNotFound = errors.New("no such network device")
	// ErrExists: the namespace has a device of the new name already.
	ErrExists = errors.New("a network device of this name exists in the container")
	// ErrMessage: the kernel sent what cannot be read.
	ErrMessage = errors.New("malformed netlink message")
)
