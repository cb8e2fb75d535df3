// SPDX-License-Identifier: Apache-2.0

package bridge

import "net/netip"

// Config describes the embedded network. Several daemons on a node need different names and subnets.
type Config struct {
	// Disabled: no embedded network; without a CNI configuration the network is not ready.
	Disabled bool
	// Name of the bridge, "crisp0"; at most 15 bytes.
	Name string
	// IPv4 is the pods' subnet, 10.91.0.0/16. The bridge gets its first address.
	IPv4 netip.Prefix
	// IPv6 is the pods' IPv6 subnet, fd63:7269:7370::/64. It is left out where the kernel has no IPv6.
	IPv6 netip.Prefix
	// IPv4Only leaves IPv6 out although the kernel has it.
	IPv4Only bool
	// MTU of the bridge and the pods; 0 takes that of the interface with the default route.
	MTU int
}
