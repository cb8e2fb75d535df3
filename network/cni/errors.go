// SPDX-License-Identifier: Apache-2.0

package cni

import "errors"

// What can be wrong with the node.
var (
	// ErrNotConfigured: there is no configuration in the directory.
	ErrNotConfigured = errors.New("no CNI configuration")
	// ErrBadConfig: the first configuration cannot be read.
	ErrBadConfig = errors.New("invalid CNI configuration")
	// ErrNoPlugin: a plugin that the configuration names is not installed.
	ErrNoPlugin = errors.New("CNI plugin not found")
	// ErrStatusUnknown: the plugins were asked whether they are ready, and have not answered yet.
	ErrStatusUnknown = errors.New("CNI plugins have not answered yet")
	// ErrBadRecord: a record on disk cannot be read.
	ErrBadRecord = errors.New("unreadable record")
)

// What can be wrong with a pod.
var (
	// ErrNoAddress: the plugins succeeded and gave the pod no address.
	ErrNoAddress = errors.New("CNI plugins gave no address")
	// ErrInvalidArgument: a value of the pod cannot be handed to plugins.
	ErrInvalidArgument = errors.New("invalid CNI argument")
)
