// SPDX-License-Identifier: Apache-2.0

// Package image holds the node's container images: it pulls them, keeps their layers, and mounts root filesystems from them.
//
//	s, err := image.Open(ctx, image.Config{Root: "/var/lib/crisp/images", RegistryDir: "/etc/crisp/certs.d"})
//	im, err := s.Pull(ctx, image.PullRequest{Ref: "busybox:1.36"})
//	err = s.Hold(im.ID, containerID)
//	rootfs, err := s.MountRootfs(image.RootfsRequest{ImageID: im.ID, Dir: containerDir})
//
// # Terms
//
//	image     a configuration and its layers. Its ID is the configuration's digest: the same for the same
//	          image from any registry, and for ever
//	tag       a full name with a tag; it means one image at a time, and a pull may move it
//	digest    a full name with the digest of the manifest or index as it was pulled
//	layer     a directory, unpacked once, named by its diff ID
//	repair    a layer of an image's own that some stacks need on top (package stack)
//	holder    a container that uses an image
//
// # A pull
//
//	Ref ─▶ reference ─▶ registry: which digest? ── known here ──▶ give it the name, done: one request
//	                        │
//	                        ▼
//	        manifest: index ─▶ manifest ─▶ config ── ID known here ──▶ give it the name, done
//	                        │
//	                        ▼  for all layers at the same time
//	        layerstore: Acquire ─ registry: blob ─▶ layer: verify, decompress, verify, unpack ─▶ tmp/…/fs
//	                        │
//	                        ▼  once
//	        stack: repair? ─▶ layerstore: Commit (syncfs, rename, fsync) ─▶ record (write, fsync, rename, fsync) ─▶ index
//
// A pull is a job of the store. Equal requests share it, and a caller that gives up finds it again when it comes back.
//
// # On disk
//
//	ROOT/records/sha256-HEX.json   one an image: its configuration, layers and names (record)
//	ROOT/layers, tmp, trash        see package layerstore
//	ROOT/empty                     directories that stay empty
//
// A record is there only when its layers are durable, so an image whose pull has returned survives a power cut, and one
// whose pull was cut off leaves nothing. All directories are closed to everybody but root.
//
// # Life of an image
//
//	          Pull              Remove, nobody holds it
//	(absent) ──────▶ present ──────────────────────────▶ (absent)
//	                 ▲     │ Remove, held                  ▲
//	            Pull │     ▼                               │ last Release
//	                 └── removed: no names, not listed; ───┘
//	                     its holders go on using it
//
// After a restart the holders first say again what they hold, then Collect lets the rest of the removed images go.
package image
