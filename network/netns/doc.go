// SPDX-License-Identifier: Apache-2.0

// Package netns makes, pins, enters and removes network namespaces.
package netns
