// SPDX-License-Identifier: Apache-2.0

// Package vm runs commands as root in a throw-away virtual machine, for what the host may not have: cgroup v2 alone, AppArmor, a
// systemd to ask for scopes, another kernel.
//
// # What the guest sees
//
// Debian's cloud kernel with the host's own files: the guest's root is the host's, shared read-only by virtiofs, below an overlay in
// the guest's memory. So a program that was built on the host runs there by the same path, and what it writes vanishes with the
// machine, but for the directories of Job.Writable. A fresh ext4 is at /scratch, and TMPDIR is there. There is no network
// but the guest's own loopback.
//
// # How a command runs
//
//	host                                           guest
//	New: packages, kernel, initramfs (cached)
//	Run: a job directory ── kernel command line ─▶ /init: mounts the host's root by virtiofs, then sources
//	                                               JOB/boot.sh: overlay, /proc, /sys, cgroup2 …; becomes init, or systemd
//	     stdout, stderr ◀───── virtio consoles ──  JOB/job.sh: the command
//	     exit code      ◀───── JOB/code ─────────  and powers off
//
// The processor is the host's (KVM) where that boots a machine within bootPatience, and QEMU's emulation elsewhere, several times slower.
// A KVM that is there but does not work, as in some nested machines, is found out once a boot of the host.
//
// # Worked example
//
//	m, err := vm.New(ctx)                      // errors.Is(err, vm.ErrUnavailable): this host cannot, and why
//	code, err := m.Run(ctx, vm.Job{Args: []string{"/path/of/cgroup.test"}, Stdout: os.Stdout, Stderr: os.Stderr})
//
//	go run ./test/vm/run -- uname -r
//	go test -exec "go run crisp/test/vm/run --" ./oci/cgroup
//	go run ./test/vm/run -systemd -- systemctl status
package vm
