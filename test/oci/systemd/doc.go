// SPDX-License-Identifier: Apache-2.0

// Package systemd tests crisp-oci with --systemd-cgroup against a systemd that is the host's init: what a container's scope looks like from
// outside, and that nothing of it is left, whatever is killed. `make test-vm` runs it where systemd has booted.
package systemd
