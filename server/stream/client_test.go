// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// TestMain silences the streaming library; what it reports the tests see for themselves.
func TestMain(m *testing.M) {
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// serve starts a server on the loopback whose sessions end as soon as their client does.
func serve(t *testing.T, r Runtime) *Server {
	t.Helper()
	return serveDraining(t, r, 0)
}

// serveDraining starts a server whose sessions go on for a while without their client.
func serveDraining(t *testing.T, r Runtime, drain time.Duration) *Server {
	t.Helper()
	s, err := New(Config{Address: "127.0.0.1:0", IdleTimeout: time.Hour, Log: slog.New(slog.DiscardHandler)}, r)
	if err != nil {
		t.Fatal(err)
	}
	s.listener.drain = drain
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s
}

// spdyClient speaks SPDY as the kubelet does.
type spdyClient struct {
	t    *testing.T
	tcp  *net.TCPConn
	conn httpstream.Connection
}

// dialSPDY upgrades a connection to the session at url.
func dialSPDY(t *testing.T, url, protocol string) *spdyClient {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(httpstream.HeaderConnection, httpstream.HeaderUpgrade)
	req.Header.Set(httpstream.HeaderUpgrade, spdy.HeaderSpdy31)
	req.Header.Set(httpstream.HeaderProtocolVersion, protocol)
	tcp, err := net.Dial("tcp", req.URL.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close() })
	if err := req.Write(tcp); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(tcp), req) // the server is silent until the first stream
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get(httpstream.HeaderProtocolVersion) != protocol {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	conn, err := spdy.NewClientConnection(tcp)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &spdyClient{t, tcp.(*net.TCPConn), conn}
}

// vanish resets the connection, as a client does whose machine is gone.
func (c *spdyClient) vanish() {
	c.t.Helper()
	if err := errors.Join(c.tcp.SetLinger(0), c.tcp.Close()); err != nil {
		c.t.Fatal(err)
	}
}

// stream opens one stream with the given headers, in pairs.
func (c *spdyClient) stream(headers ...string) httpstream.Stream {
	c.t.Helper()
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	s, err := c.conn.CreateStream(h)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// channel opens a stream of exec or attach.
func (c *spdyClient) channel(kind string) httpstream.Stream {
	c.t.Helper()
	return c.stream(remotecommand.StreamType, kind)
}

// text reads a stream to its end.
func (c *spdyClient) text(s io.Reader) string {
	c.t.Helper()
	data, err := io.ReadAll(s)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(data)
}

// exit is what the error stream says at the end of a command.
type exit struct {
	Status, Message, Reason string
	Details                 struct {
		Causes []struct {
			Type    string `json:"reason"`
			Message string
		}
	}
}

func (c *spdyClient) exit(s io.Reader) exit {
	c.t.Helper()
	var e exit
	if text := c.text(s); json.Unmarshal([]byte(text), &e) != nil {
		c.t.Fatalf("error stream: %q", text)
	}
	return e
}
