// SPDX-License-Identifier: Apache-2.0

// Package stream serves the sessions of exec, attach and port-forward.
//
// The CRI hands them out in two steps. The unary call is answered with a URL that is good for one session and one
// minute; then the kubelet connects to it, and what follows is SPDY or WebSocket with one channel for each stream:
//
//	kubelet ── gRPC Exec ──────────────▶ Server.Exec      keeps the request under a random token
//	        ◀─ http://127.0.0.1:P/exec/TOKEN ─┘
//	        ── POST, Upgrade: SPDY/3.1 ─▶ ServeHTTP       takes the request out by its token
//	        ══ stdin, resize ══════════▶ Runtime.Exec ──▶ the command
//	        ◀═ stdout, stderr, error ════╛                its exit code goes as a Status into the error channel
//
// The protocols come from k8s.io/cri-streaming, the code that the kubelet's tests are written against, but for WebSocket's
// v5, which it lacks (websocket.go). Its token cache and its HTTP server are not used: here a session's context ends when its
// client vanishes, which hijacked connections do not tell, Close ends the sessions too, and go-restful is not linked.
package stream
