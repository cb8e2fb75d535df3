// SPDX-License-Identifier: Apache-2.0

// Package network connects pods: network namespaces, CNI, the embedded bridge network, host ports, and
// connections into a pod for port-forward.
package network
