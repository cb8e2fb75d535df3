// SPDX-License-Identifier: Apache-2.0

// Package image holds the node's container images: it pulls them, keeps their layers, and mounts root filesystems from them.
package image
