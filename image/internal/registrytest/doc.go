// SPDX-License-Identifier: Apache-2.0

// Package registrytest is a registry for tests: in process, on 127.0.0.1, with authorization and faults.
//
//	reg := registrytest.New(t)
//	im := reg.Push(t, "app", registrytest.Image{Layers: [][]byte{archive}}, "v1")
//	// pull reg.Host+"/app:v1"; its ID is im.ID
package registrytest
