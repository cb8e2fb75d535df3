// SPDX-License-Identifier: Apache-2.0

// Package faults is a proxy for TCP connections that does to the bytes of a server what networks, middleboxes and dying servers do:
// at a byte that the test chooses, counted over all connections in the order in which the bytes come, it breaks the connection off,
// ends it as if all had been said, turns a bit, stalls, or goes slowly.
//
//	p, err := faults.Start(serverAddress, faults.Plan{Kind: faults.Flip, At: 4711})
//	… a client pulls from p.Addr() …
//	p.Passed() // bytes that the server has sent through it
//	p.Close()
package faults
