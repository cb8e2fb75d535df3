// SPDX-License-Identifier: Apache-2.0

// Package copyup copies what a directory holds into a new tmpfs that is to cover it: the mount option tmpcopyup.
//
// # Terms
//
//   - The source is a directory of an image or a volume, and hostile: whoever made it may also change it meanwhile.
//   - The target is the root of a file system that nobody else can reach yet.
//   - Limits bound entries, depth and bytes. The tmpfs has its own limit of bytes, its option size.
//
// # What is copied
//
// Directories, regular files with their holes, symlinks, devices, FIFOs and sockets; owners, modes with set-user-ID bits, extended
// attributes with ACLs and file capabilities, times. Hard links become files of their own, as in runc. What is mounted below the source
// is not followed. Owners and attributes that the target cannot hold (another user namespace, an older kernel) are left out.
//
// # How
//
// Every entry of the source is looked up in its directory by openat2 with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS
// and RESOLVE_NO_XDEV, first as O_PATH, and opened only once its type is known: a FIFO or device is never opened, and a file that is
// another by then is an error. The target is private, so that names do in it.
//
// # Worked example
//
//	err := copyup.Tree(source, tmpfs, copyup.Limits{Entries: 1 << 20, Bytes: 1 << 30})
package copyup
