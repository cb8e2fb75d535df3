// SPDX-License-Identifier: Apache-2.0

// Package seccomp compiles the seccomp profile of an OCI runtime config (linux.seccomp) into the classic BPF
// program and the flags that seccomp(2) takes. It is pure Go, needs no libseccomp, and does no I/O.
//
// # Terms
//
// A profile has a default action and rules; a rule has names of syscalls, conditions on their arguments, and an action.
// A native architecture (x86_64) has foreign ABIs that its kernel runs too (x86, x32): a machine is both, by its GOARCH. The table of a machine
// has the numbers of its ABIs by name; each is a file below tables, made by internal/gen, and only that of the machine which this is compiled
// for is linked in, as text, to be read when a profile is compiled. The kernel gives the program a
// struct seccomp_data {nr, arch, instruction_pointer, args[6]}, and the program returns an action.
//
// # The program
//
//	load arch ──┬─ x86_64 ─ load nr ── binary tree over the numbers ─┬─ return action
//	            ├─ x86 ──── load nr ── binary tree …                 └─ conditions on arguments ── return action
//	            └─ any other: kill
//
// All numbers of an ABI, 0 to 2^32-1, are cut into intervals with the same outcome. Neighbours are merged, so that moby's
// default profile of 370 names has about 60 intervals and a call is decided by 6 comparisons.
//
// # What a profile means
//
// As runc and crun with libseccomp read it, because profiles were written against them:
//   - The native architecture is always included. Names and architectures that this kernel cannot have are skipped.
//   - A rule with the default action changes nothing and is dropped.
//   - A rule without conditions beats all rules with conditions for the same call; of two without conditions the first counts.
//     Of several rules with conditions the first that matches counts.
//   - The conditions of a rule must all hold; but when two of them are on the same argument, each counts as a rule of its own.
//   - MASKED_EQ compares (argument & value) with (valueTwo & value).
//   - A 32-bit ABI compares the low 32 bits only.
//   - On ABIs that have socketcall(2) or ipc(2) (x86, mips, ppc, s390) a rule on socket(2) or shmget(2) and the like also governs
//     this old way in. There the arguments lie behind a pointer: a rule with conditions that
//     forbids then forbids all, and one that permits permits nothing. (libseccomp lets it permit all.)
//   - A call with a number above all that the profile names gets ENOSYS, not the default action: the profile's author could
//     not know it, and libc falls back to older calls on ENOSYS only (runc's libcontainer/seccomp/patchbpf). Not
//     so when the default action lets calls pass. ARM's private calls, which are numbered far above, do not count for what is known.
//   - Another architecture's call is killed (SECCOMP_RET_KILL_THREAD, as libseccomp's SCMP_FLTATR_ACT_BADARCH).
package seccomp

//go:generate go run ./internal/gen
