// SPDX-License-Identifier: Apache-2.0

// Package criu asks the program criu (checkpoint and restore in user space) to save and restore processes, by its RPC: "criu swrk FD" is a child
// that serves the one who started it. Its command line cannot do all that containers need, above all hand over the master of a restored terminal.
//
// # Terms
//
//   - A request and its responses are protobuf messages (images/rpc.proto of criu), one a packet. The few fields that are used here are encoded by
//     hand: the program that this is linked into must stay small and start at once.
//   - A notification is a response that is not the last: criu has come to a point and waits for the answer.
//
// # Life cycle
//
//	Start ─▶ Process: criu waits for the request (it can be moved into a cgroup meanwhile)
//	          │ Do: request ─▶ notification ⇄ answer … ─▶ the last response
//	          ▼
//	        Wait
//
// # Worked example
//
//	p, err := criu.Start(criu.Command{Program: "/usr/sbin/criu"})
//	r, err := p.Do(ctx, criu.Request{Type: criu.Version}, nil)
//	err = p.Wait()
//	fmt.Println(r.Version) // 31700: 3.17
package criu
