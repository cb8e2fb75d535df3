// SPDX-License-Identifier: Apache-2.0

// Package sandbox is the life of pods and containers.
package sandbox
