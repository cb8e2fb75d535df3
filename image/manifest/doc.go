// SPDX-License-Identifier: Apache-2.0

// Package manifest reads what a registry keeps under a name: indexes, manifests and image configurations, in OCI's form and
// in Docker's, which differ only in their media types.
//
//	tag ─▶ index ─▶ (index) ─▶ manifest ─┬▶ config: what to run, and the layers' diff IDs
//	                                     └▶ layers: blobs
//
// All of it is foreign: sizes are bounded by who fetches it, and what could be read in two ways is refused.
package manifest
