// SPDX-License-Identifier: Apache-2.0

// Package stack puts an image's layers together, for the three cases in which layers that were unpacked apart from each other
// need one more.
//
// Layers are unpacked each on its own, so that they can come in any order. Mostly that is all: overlayfs merges them. But
//
//   - an archive may name "tmp/x" without "tmp". In its layer the directory then stands with made-up attributes, and in the merged tree
//     the topmost layer's attributes count: /tmp would become 0755.
//   - an archive may have a hard link to a file of a lower layer.
//   - an archive may remove what is not there. Its whiteout then stands in a directory that overlayfs does not merge with another,
//     and shows there as a name without a file.
//
// Serial unpackers find what they need in the layers below. Here the same layer may lie on others in another image, so it is
// not touched: a repair layer of the image's own, on top of all, has the directories with the attributes from below, and copies of the
// linked files. Find says what it must have, which for nearly all images is nothing, and Build makes it.
package stack
