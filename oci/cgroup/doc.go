// SPDX-License-Identifier: Apache-2.0

// Package cgroup makes, limits, measures, freezes, kills and removes the control groups of containers, on cgroup v2, on v1,
// and on the hybrid of both, by the file system (the cgroupfs driver).
package cgroup
