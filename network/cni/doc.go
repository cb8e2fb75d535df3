// SPDX-License-Identifier: Apache-2.0

// Package cni attaches pods by CNI plugins.
package cni
