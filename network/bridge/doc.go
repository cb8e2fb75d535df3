// SPDX-License-Identifier: Apache-2.0

// Package bridge is the embedded network: one Linux bridge per node, with addresses, masquerade and host ports.
package bridge
