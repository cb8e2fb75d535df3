// SPDX-License-Identifier: Apache-2.0

package bridge

import "errors"

// What can be wrong with the configuration.
var (
	// ErrInvalidConfig: the bridge's name or subnets cannot be used.
	ErrInvalidConfig = errors.New("invalid configuration")
	// ErrSubnetInUse: another interface of the node has (a part of) the subnet.
	ErrSubnetInUse = errors.New("subnet in use")
	// ErrNotABridge: the bridge's name belongs to an interface of another kind.
	ErrNotABridge = errors.New("not a bridge")
)

// What can be wrong with a pod.
var (
	// ErrPortInUse: another pod holds the host port.
	ErrPortInUse = errors.New("host port in use")
	// ErrInvalidPort: the port mapping makes no sense.
	ErrInvalidPort = errors.New("invalid port mapping")
	// ErrNoAddress: every address of the subnet is held.
	ErrNoAddress = errors.New("no free address")
	// ErrInterfaceInUse: the pod has an eth0 already that is not ours.
	ErrInterfaceInUse = errors.New("interface in use")
)

// What can be wrong with the node.
var (
	// ErrNoNFTables: the kernel has no nftables.
	ErrNoNFTables = errors.New("nftables not available")
	// ErrBadRecord: a record on disk cannot be read.
	ErrBadRecord = errors.New("unreadable record")
)
