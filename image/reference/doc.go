// SPDX-License-Identifier: Apache-2.0

// Package reference reads image names as Docker does and says which registry and repository they mean.
//
// A name is [domain/]path[:tag][@digest]. What is missing is filled in: "busybox" means
// "docker.io/library/busybox:latest". With a tag and a digest, the digest decides and the tag is only for display:
//
//	r, _ := reference.Parse("busybox:1.36@sha256:…")
//	r.Domain  // "docker.io"
//	r.Path    // "library/busybox"
//	r.Tagged()    // "", false: a pull by digest gives no tag
//	r.Canonical() // "docker.io/library/busybox@sha256:…"
package reference
