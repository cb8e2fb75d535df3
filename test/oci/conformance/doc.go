// SPDX-License-Identifier: Apache-2.0

// Package conformance holds an OCI runtime against the runtime specification 1.3.0, by what a container sees. It drives the command
// line alone, so that the same tests run against any runtime that has runc's.
//
// # Terms
//
//   - A row is one thing that the specification says: an edit of an ordinary config.json, and what the container then sees; or an edit
//     that is refused, with words of the error; or a few commands. It names the fields of config.json that it is about and the row of the
//     project's checklist (sections) that it belongs to. Three tests fail when a field, a value or a row of the checklist has none.
//   - The probe (./probe) is the container's process. A sight is a question for it and the answer that is wanted.
//   - A table is rows that share a container, because none disturbs another. When that container cannot be made, each gets its own,
//     which shows who is to blame.
//   - A bench is a scratch place of one container. When it is cleared, nothing may be left: no mount, no cgroup, no state. After each
//     test, package leak looks for processes, network devices and the rest.
//   - A lane is the version of cgroups that the host has: rows may be of one alone.
//   - An exception is a row that fails for a known reason: of crisp-oci in notyet.txt, of runc and crun in peers.txt, each by its
//     version. A test fails when one of them passes.
//
// # Worked example
//
//	{
//		id: "process.user.umask", of: "6.1 process.user", fields: []string{"process.user.umask"},
//		edit: func(k *bundle) { k.Process.User.Umask = new(uint32(0o027)) },
//		sees: []sight{{"umask", "0027"}},
//	}
//
// # Where the files are
//
//	row_test.go                                     rows, tables, and how they run: read this first
//	bench_test.go bundle_test.go main_test.go       the runtime's commands, bundles, the place
//	fields_test.go sections_test.go lists_test.go   that nothing is without a row
//	process_test.go … config_test.go                the rows
package conformance
