// SPDX-License-Identifier: Apache-2.0

package bridge

import "errors"

var (
	// ErrPortInUse: another pod holds the host port.
	ErrPortInUse = errors.New("host port in use")
	// ErrNoAddress: every address of the subnet is held.
	ErrNoAddress = errors.New("no free address")
	// ErrNoNFTables: the kernel has no nftables.
	ErrNoNFTables = errors.New("nftables not available")
)
