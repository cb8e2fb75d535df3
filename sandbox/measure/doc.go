// SPDX-License-Identifier: Apache-2.0

// Package measure turns what the kernel counts for a container into what the CRI reports: its forms (CPU, Memory, Swap, Pressure), the
// rate of CPU time between two readings (Rates), and what a directory takes on disk (Disk).
package measure
