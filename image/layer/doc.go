// SPDX-License-Identifier: Apache-2.0

// Package layer unpacks image layers into directories that overlayfs can stack.
//
// A layer blob is a tar archive, mostly compressed, that says what one build step added to and removed from the layers below.
// Its digest is that of the blob, its diff ID that of the archive. Unpack reads a blob once, in a stream:
//
//	sum, err := layer.Unpack(ctx, layer.Source{Blob: body, Digest: d, Size: n, DiffID: id}, dir, layer.DefaultLimits())
//
// The directory needs no layer below it while it grows, so that all layers of an image are unpacked at the same time. Two things
// in an archive do speak of lower layers, and both are only noted in the Summary, for whoever stacks the layers:
// hard links to lower files, and directories that are there only because an entry lies in them ("usr" for "usr/x"), whose real
// attributes are in a lower layer.
//
// An archive is hostile. Every path is resolved inside the directory by the kernel (openat2 with RESOLVE_IN_ROOT), from
// there on everything goes by *at calls that follow nothing, sizes are bounded by Limits, and no extended
// attribute that overlayfs or the node's security modules would obey is taken over.
package layer
