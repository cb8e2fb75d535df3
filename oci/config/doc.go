// SPDX-License-Identifier: Apache-2.0

// Package config reads a config.json (runtime-spec 1.3) in a few microseconds. encoding/json takes 0.7 ms for the first one, most of it
// for the types, which a command line pays for every container.
//
// # Terms
//
//   - A Config is a config.json: its text as it was read, and what it says.
//   - The fast way is generated code on package scan. It takes nearly every text there is.
//   - The slow way is encoding/json, for all that the fast way does not take: fields of other operating systems, unknown ones, names
//     in other cases, and whatever is wrong. So encoding/json says what is accepted, what it means and how errors are worded; a fuzz
//     test holds both against each other.
//   - A profile (linux.seccomp) is most of a config.json, and nearly always one that was compiled before. The fast way goes over it and
//     keeps its text: see Config.Seccomp.
//
// # Life cycle
//
//	Parse ──▶ Config ──▶ Spec, and Seccomp for oci/seccomp/cache ── a miss ──▶ ParseSeccomp
//
// # Worked example
//
//	c, err := config.Parse(text)                // the bytes of config.json
//	if c.Seccomp != nil {                       // c.Spec.Linux.Seccomp is nil then
//		program, err := store.Compile(c.Seccomp, c.ParseSeccomp)
//	}
package config

//go:generate go run ./internal/gen decode_gen.go
