// SPDX-License-Identifier: Apache-2.0

// Package attachment names what every way of connecting a pod talks about: the pod that is connected (Pod),
// the ports of the node that lead into it (PortMapping), and what came of it (Result).
//
// It is a leaf, so that package network and the two ways it knows, network/bridge and network/cni, share these
// types without importing each other. Callers use them by their names in package network.
package attachment
