// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/streaming/pkg/httpstream/wsstream"
	utilexec "k8s.io/utils/exec"
)

// v5 is what client-go speaks over WebSocket (crictl exec --transport websocket) and cri-streaming does not serve, although
// its lower half, wsstream, does: v4's channels, and a message that closes one of them.
//
//	client ─ binary message: channel, data ─▶  0 stdin, 4 resize (JSON)
//	       ─ 255, channel                  ─▶  no more of that channel: stdin ends, the rest goes on
//	       ◀─ channel, data                ──  1 stdout, 2 stderr, 3 a Status in JSON at the end
const v5 = remotecommand.StreamProtocolV5Name

// wantsV5 tells whether a client offers v5.
func wantsV5(r *http.Request) bool {
	if !wsstream.IsWebSocketRequest(r) {
		return false
	}
	offers := strings.Split(strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ","), ",")
	return slices.ContainsFunc(offers, func(p string) bool { return strings.TrimSpace(p) == v5 })
}

// serveV5 opens the channels, runs the session on them and says how it ended.
func (s *Server) serveV5(w http.ResponseWriter, r *http.Request, o *remotecommand.Options, run func(channels) error) {
	kinds := make([]wsstream.ChannelType, 5) // the zero value ignores the channel
	kinds[remotecommand.StreamErr], kinds[remotecommand.StreamResize] = wsstream.WriteChannel, wsstream.ReadChannel
	if o.Stdin {
		kinds[remotecommand.StreamStdIn] = wsstream.ReadChannel
	}
	if o.Stdout {
		kinds[remotecommand.StreamStdOut] = wsstream.WriteChannel
	}
	if o.Stderr {
		kinds[remotecommand.StreamStdErr] = wsstream.WriteChannel
	}
	conn := wsstream.NewConn(map[string]wsstream.ChannelProtocolConfig{v5: {Binary: true, Channels: kinds}})
	conn.SetIdleTimeout(s.config.IdleTimeout)
	_, open, err := conn.Open(w, r)
	if err != nil { // the client has got an HTTP error
		s.config.Log.Warn("streaming session not opened", "error", err)
		return
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	ch := channels{open[remotecommand.StreamStdIn], open[remotecommand.StreamStdOut], open[remotecommand.StreamStdErr], nil}
	if o.TTY {
		ch.resize = decodeSizes(ctx, open[remotecommand.StreamResize])
	}
	if err := json.NewEncoder(open[remotecommand.StreamErr]).Encode(statusOf(run(ch))); err != nil {
		s.config.Log.Debug("streaming client not told of the end", "error", err)
	}
}

// decodeSizes reads terminal sizes until the channel ends, holds no JSON, or ctx ends.
func decodeSizes(ctx context.Context, r io.Reader) <-chan remotecommand.TerminalSize {
	sizes := make(chan remotecommand.TerminalSize)
	go func() {
		defer close(sizes)
		for d := json.NewDecoder(r); ; {
			var size remotecommand.TerminalSize
			if d.Decode(&size) != nil {
				return
			}
			select {
			case sizes <- size:
			case <-ctx.Done():
				return
			}
		}
	}()
	return sizes
}

// endStatus is the part of a Kubernetes Status that clients read at a session's end.
type endStatus struct {
	Status  string      `json:"status"`
	Message string      `json:"message,omitempty"`
	Reason  string      `json:"reason,omitempty"`
	Details *endDetails `json:"details,omitempty"`
}

type endDetails struct {
	Causes []endCause `json:"causes"`
}

type endCause struct {
	Type    string `json:"reason"` // metav1.StatusCause has this name on the wire
	Message string `json:"message"`
}

// statusOf is what cri-streaming makes of the same errors.
func statusOf(err error) endStatus {
	var exit utilexec.ExitError
	switch {
	case err == nil:
		return endStatus{Status: "Success"}
	case errors.As(err, &exit):
		return endStatus{
			Status: "Failure", Reason: remotecommand.NonZeroExitCodeReason,
			Message: fmt.Sprintf("command terminated with non-zero exit code: %v", err),
			Details: &endDetails{[]endCause{{remotecommand.ExitCodeCauseType, strconv.Itoa(exit.ExitStatus())}}},
		}
	default:
		return endStatus{Status: "Failure", Reason: "InternalError", Message: err.Error()}
	}
}
