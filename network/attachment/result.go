// SPDX-License-Identifier: Apache-2.0

package attachment

import "net/netip"

// Result is what an attached pod got.
type Result struct {
	// IPs are the pod's addresses; the first one is the primary.
	IPs []netip.Addr
	// Interfaces are those inside the pod, without lo.
	Interfaces []Interface
}

// Interface is one of a pod's interfaces.
type Interface struct {
	Name string
	MAC  string
	// Addresses are the interface's, with the length of the subnet.
	Addresses []netip.Prefix
}
