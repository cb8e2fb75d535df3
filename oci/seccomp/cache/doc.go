// SPDX-License-Identifier: Apache-2.0

// Package cache keeps compiled seccomp programs in a directory, for programs that run once for each container: to compile the default
// profile takes a third of a millisecond, and to read it as JSON before as long again; an entry is there in a few microseconds.
//
// # Terms
//
//   - The key is linux.seccomp as it stands in config.json, byte by byte, with the compiler's version and machine. Two profiles with the same
//     meaning may have two keys; two with different meanings never have one.
//   - An entry is a file, named by the hash of its key, with the key, the program, its flags and its listener. The key is compared, so that
//     two with one hash cannot be taken for each other: they put one another out. Nothing of the kernel is in it: what the compiler
//     makes depends on none of its facts.
//   - A store is the directory. It is the user's alone: whoever can write an entry says what containers may do.
//
// # Trust
//
// The directory, opened without following a link at its end, and each entry must belong to the user that this process acts as, and nobody
// else may be able to write there. What the path above it leads through does not matter: who could put another directory there cannot
// make it ours. An entry with a wrong length, hash or key, torn by a crash or of a later version, counts as none, and is replaced.
//
// # Life cycle
//
//	Get ──hit──▶ the program
//	 └─miss──▶ compile ─▶ Put: written aside, renamed ─▶ over MaxEntries: the oldest are removed
//
// # Worked example
//
//	store := cache.Store{Dir: "/run/crisp-oci/@seccomp"} // no container's ID has an @
//	raw := …                                             // linux.seccomp of config.json
//	program, err := store.Compile(raw, parse)            // parse is called on a miss only
package cache
