// SPDX-License-Identifier: Apache-2.0

// Package validate says all there is to say about a bundle, for the person who writes it.
//
// # Terms
//
//   - A finding (oci.FieldError) has the JSON path of a field, the section of the runtime spec that speaks of it, a severity and a scope.
//   - The severity follows from the words of RFC 2119: what MUST be is an error, what SHOULD be a warning.
//   - The scope says what it is about: the config.json as such (spec), this machine (host), or the files that the
//     config.json names (bundle).
//
// # Where findings come from
//
//	json.go      the text: syntax, wrong types, missing and unknown fields, keys that are given twice, each by a walk over the
//	             tokens beside the Go types of the runtime spec
//	oci.Check    the fields: everything that package oci would refuse, and advice
//	files.go     the bundle: root, sources of mounts, hooks, the program
//	host.go      this machine: security modules, cgroup controllers, kernel features
//	report.go    how they are told
//
// # Worked example
//
//	$ crisp-oci validate --bundle /b
//	error    process.cwd: "tmp": not absolute (config.md#process)
//	warning  proces: unknown, ignored; did you mean "process"? (config.md#extensibility)
//	error    linux.resources.rdma: cgroup controller not available: rdma (config-linux.md#rdma), on this host
//	2 errors, 1 warning
package validate
