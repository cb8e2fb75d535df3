// SPDX-License-Identifier: Apache-2.0

// Package registries runs real registries on 127.0.0.1 for tests: distribution v3, built from its module, and Debian's
// docker-registry (v2), plain or with TLS, with or without a token server.
//
//	r, err := registries.Start(ctx, registries.Config{Program: path, Dir: dir, TLS: true, Tokens: tokens})
//	client.Repository(reference of r.Host()+"/name:tag")
//	r.Close()
package registries
