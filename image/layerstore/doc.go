// SPDX-License-Identifier: Apache-2.0

// Package layerstore keeps unpacked layers on disk, each under its diff ID, once, however many images have it.
//
//	ROOT/layers/sha256-HEX/fs          the layer's files: a lower directory for overlayfs
//	ROOT/layers/sha256-HEX/layer.json  what is known about it (record)
//	ROOT/tmp/RANDOM/                   layers that are being unpacked or not yet durable
//	ROOT/trash/RANDOM/                 what is being deleted
//
// # Life of a layer
//
//	          Acquire               build done              Commit               last Release
//	(absent) ─────────▶ building ─────────────▶ unpacked ─────────▶ committed ─────────────▶ (trash)
//	                       │ error                 │ unused for a while
//	                       ▼                       ▼
//	                    (trash)                 (trash)
//
// Building is a single flight: who asks for the layer meanwhile waits for the same one. A layer that was unpacked
// for a pull that then failed is kept for a while, for the next attempt.
//
// Commit makes layers durable: one syncfs for all of them, then a rename each, then a sync of the directory. A crash leaves a layer
// in ROOT/layers whole or not at all, and what lies in tmp and trash is nobody's: Open deletes it.
//
// # References
//
// Acquire and Retain take a reference, Release gives it back. Committed layers without one are deleted at once, but only after Sweep
// has been called: until then the owner of a newly opened store is still saying what it needs.
package layerstore
