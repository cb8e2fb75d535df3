// SPDX-License-Identifier: Apache-2.0

// Package registries reads the configuration that nodes have for podman, buildah and CRI-O, by containers/image's own parsers:
//
//	registries.conf, registries.conf.d/*.conf   mirrors, blocked and insecure registries, short names and aliases (containers-registries.conf(5))
//	certs.d/HOST:PORT/*.crt, *.cert, *.key      certificates (containers-certs.d(5), and docker's, which are the same)
//	auth.json, config.json                      credentials by path, credential helpers (containers-auth.json(5))
//	NAMESPACE-SHA256.json                       credentials of one Kubernetes namespace for one image
//
// What it answers, per image:
//
//	r.Names("busybox")          the full names that a short one may mean, first choice first
//	r.Sources(ref)              where the repository may be read, mirrors first
//	r.Credential(host, path)    how to log in
//
// # Reload
//
// Each question looks at the files' times first. A file that has changed is read again; if it cannot be, what was read before
// goes on to count, and the log says so once.
package registries
