// SPDX-License-Identifier: Apache-2.0

package network

import (
	"crisp/network/attachment"
	"crisp/network/bridge"
	"crisp/network/cni"
	"crisp/network/netns"
)

// What can be wrong with a request.
var (
	// ErrInvalidID: the ID cannot name files and interfaces (hex digits are wanted).
	ErrInvalidID = netns.ErrInvalidID
	// ErrNoNamespace: there is no network namespace at the given path.
	ErrNoNamespace = netns.ErrNoNamespace
	// ErrNotAttached: there is no attachment of the pod, or a part of it is gone.
	ErrNotAttached = attachment.ErrNotAttached
)

// What can be wrong with the node.
var (
	// ErrPortInUse: another pod holds the host port.
	ErrPortInUse = bridge.ErrPortInUse
	// ErrNoAddress: every address of the subnet is held.
	ErrNoAddress = bridge.ErrNoAddress
	// ErrNoNFTables: host ports were asked for and the kernel has no nftables.
	ErrNoNFTables = bridge.ErrNoNFTables
	// ErrNotConfigured: there is no CNI configuration, and the embedded network is disabled.
	ErrNotConfigured = cni.ErrNotConfigured
)
