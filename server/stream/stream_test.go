// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"

	"crisp/sandbox"
)

const v4 = remotecommand.StreamProtocolV4Name

// fake is a Runtime made of functions.
type fake struct {
	exec    func(ctx context.Context, id string, r sandbox.ExecRequest) (int, error)
	attach  func(ctx context.Context, id string, r sandbox.AttachRequest) error
	forward func(ctx context.Context, podID string, port int32, conn io.ReadWriteCloser) error
}

func (f fake) Exec(ctx context.Context, id string, r sandbox.ExecRequest) (int, error) {
	return f.exec(ctx, id, r)
}
func (f fake) Attach(ctx context.Context, id string, r sandbox.AttachRequest) error {
	return f.attach(ctx, id, r)
}
func (f fake) PortForward(ctx context.Context, podID string, port int32, conn io.ReadWriteCloser) error {
	return f.forward(ctx, podID, port, conn)
}

func mustExec(t *testing.T, s *Server, r *runtime.ExecRequest) string {
	t.Helper()
	url, err := s.Exec(r)
	if err != nil {
		t.Fatal(err)
	}
	return url
}

func TestExecCarriesAllStreamsAndTheExitCode(t *testing.T) {
	s := serve(t, fake{exec: func(_ context.Context, id string, r sandbox.ExecRequest) (int, error) {
		if id != "c1" || strings.Join(r.Cmd, " ") != "wc -c" || r.TTY {
			t.Errorf("%s %+v", id, r)
		}
		in, err := io.ReadAll(r.Stdin) // ends when the client closes its stdin and nothing else
		if err != nil {
			return 0, err
		}
		fmt.Fprintf(r.Stdout, "%d\n", len(in))
		fmt.Fprint(r.Stderr, "done\n")
		return 3, nil
	}})
	c := dialSPDY(t, mustExec(t, s, &runtime.ExecRequest{
		ContainerId: "c1", Cmd: []string{"wc", "-c"}, Stdin: true, Stdout: true, Stderr: true,
	}), v4)
	status, stdin := c.channel("error"), c.channel("stdin")
	stdout, stderr := c.channel("stdout"), c.channel("stderr")
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB: more than any buffer on the way
	if _, err := stdin.Write(big); err != nil {
		t.Fatal(err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if got := c.text(stdout); got != "1048576\n" {
		t.Errorf("stdout %q", got)
	}
	if got := c.text(stderr); got != "done\n" {
		t.Errorf("stderr %q", got)
	}
	e := c.exit(status)
	if e.Status != "Failure" || e.Reason != "NonZeroExitCode" || len(e.Details.Causes) != 1 ||
		e.Details.Causes[0].Type != "ExitCode" || e.Details.Causes[0].Message != "3" {
		t.Errorf("%+v", e)
	}
}

func TestExecOfZeroIsSuccess(t *testing.T) {
	s := serve(t, fake{exec: func(_ context.Context, _ string, r sandbox.ExecRequest) (int, error) {
		if r.Stdin != nil || r.Stderr != nil || r.Resize != nil {
			t.Errorf("streams that nobody asked for: %+v", r)
		}
		return 0, nil
	}})
	c := dialSPDY(t, mustExec(t, s, &runtime.ExecRequest{ContainerId: "c", Cmd: []string{"true"}, Stdout: true}), v4)
	status := c.channel("error")
	c.channel("stdout")
	if e := c.exit(status); e.Status != "Success" {
		t.Errorf("%+v", e)
	}
}

func TestExecErrorIsToldToTheClient(t *testing.T) {
	s := serve(t, fake{exec: func(context.Context, string, sandbox.ExecRequest) (int, error) {
		return 0, errors.New("no such file")
	}})
	c := dialSPDY(t, mustExec(t, s, &runtime.ExecRequest{ContainerId: "c", Cmd: []string{"x"}, Stdout: true}), v4)
	status := c.channel("error")
	c.channel("stdout")
	if e := c.exit(status); e.Status != "Failure" || e.Reason != "InternalError" || !strings.Contains(e.Message, "no such file") {
		t.Errorf("%+v", e)
	}
}

func TestTerminalSizesArrive(t *testing.T) {
	s := serve(t, fake{exec: func(_ context.Context, _ string, r sandbox.ExecRequest) (int, error) {
		if !r.TTY {
			t.Error("no terminal")
		}
		for size := range r.Resize { // closed by the client
			fmt.Fprintf(r.Stdout, "%dx%d ", size.Cols, size.Rows)
		}
		return 0, nil
	}})
	c := dialSPDY(t, mustExec(t, s, &runtime.ExecRequest{ContainerId: "c", Cmd: []string{"sh"}, Tty: true, Stdout: true}), v4)
	c.channel("error")
	stdout, resize := c.channel("stdout"), c.channel("resize")
	fmt.Fprint(resize, `{"Width":80,"Height":24}{"Width":132,"Height":43}`)
	resize.Close()
	if got := c.text(stdout); got != "80x24 132x43 " {
		t.Errorf("%q", got)
	}
}

func TestAttachCarriesStreams(t *testing.T) {
	s := serve(t, fake{attach: func(_ context.Context, id string, r sandbox.AttachRequest) error {
		if id != "c2" {
			t.Errorf("container %q", id)
		}
		_, err := io.Copy(r.Stdout, r.Stdin)
		return err
	}})
	url, err := s.Attach(&runtime.AttachRequest{ContainerId: "c2", Stdin: true, Stdout: true})
	if err != nil {
		t.Fatal(err)
	}
	c := dialSPDY(t, url, v4)
	status, stdin, stdout := c.channel("error"), c.channel("stdin"), c.channel("stdout")
	fmt.Fprint(stdin, "hello")
	stdin.Close()
	if got := c.text(stdout); got != "hello" {
		t.Errorf("%q", got)
	}
	if e := c.exit(status); e.Status != "Success" {
		t.Errorf("%+v", e)
	}
}

func TestPortForwardCarriesSeveralConnections(t *testing.T) {
	s := serve(t, fake{forward: func(_ context.Context, podID string, port int32, conn io.ReadWriteCloser) error {
		if podID != "p1" {
			t.Errorf("pod %q", podID)
		}
		if port == 81 {
			// Not at once: cri-streaming resets the streams of a failed connection, and a reset may overtake its own
			// reply to a stream that was just opened.
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				return err
			}
			return errors.New("connection refused")
		}
		fmt.Fprintf(conn, "%d:", port)
		_, err := io.Copy(conn, conn)
		return err
	}})
	url, err := s.PortForward(&runtime.PortForwardRequest{PodSandboxId: "p1", Port: []int32{80, 81}})
	if err != nil {
		t.Fatal(err)
	}
	c := dialSPDY(t, url, portforward.ProtocolV1Name)
	connect := func(port, request string) (data, status io.ReadWriteCloser) {
		h := []string{portforward.PortHeader, port, portforward.PortForwardRequestIDHeader, request, portforward.StreamType}
		status = c.stream(append(h, portforward.StreamTypeError)...)
		return c.stream(append(h, portforward.StreamTypeData)...), status
	}
	for i := range 3 {
		data, _ := connect("80", fmt.Sprint(i))
		fmt.Fprintf(data, "ping %d", i)
		data.Close()
		if got, want := c.text(data), fmt.Sprintf("80:ping %d", i); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	data, status := connect("81", "refused")
	fmt.Fprint(data, "x")
	if got := c.text(status); !strings.Contains(got, "connection refused") {
		t.Errorf("%q", got)
	}
}

// A client that vanishes without a word must not leave anything behind: CVE-2022-23471, CVE-2025-64329.
func TestSessionEndsWithItsClient(t *testing.T) {
	began, ended := make(chan struct{}, 3), make(chan error, 3)
	wait := func(ctx context.Context) error {
		began <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	s := serve(t, fake{
		exec:    func(ctx context.Context, _ string, _ sandbox.ExecRequest) (int, error) { return 0, wait(ctx) },
		attach:  func(ctx context.Context, _ string, _ sandbox.AttachRequest) error { return wait(ctx) },
		forward: func(ctx context.Context, _ string, _ int32, _ io.ReadWriteCloser) error { return wait(ctx) },
	})
	exec := &runtime.ExecRequest{ContainerId: "c", Cmd: []string{"sleep"}, Stdout: true}
	attach, err := s.Attach(&runtime.AttachRequest{ContainerId: "c", Stdout: true})
	if err != nil {
		t.Fatal(err)
	}
	forward, err := s.PortForward(&runtime.PortForwardRequest{PodSandboxId: "p"})
	if err != nil {
		t.Fatal(err)
	}
	session := func(url string, leave func(c *spdyClient)) { // without input, whose end would tell
		c := dialSPDY(t, url, v4)
		c.channel("error")
		c.channel("stdout")
		<-began
		leave(c)
		<-ended
	}
	session(attach, (*spdyClient).vanish)
	session(mustExec(t, s, exec), (*spdyClient).vanish)
	session(mustExec(t, s, exec), func(c *spdyClient) { c.conn.Close() })
	c := dialSPDY(t, forward, portforward.ProtocolV1Name)
	h := []string{portforward.PortHeader, "80", portforward.PortForwardRequestIDHeader, "1", portforward.StreamType}
	c.stream(append(h, portforward.StreamTypeError)...)
	c.stream(append(h, portforward.StreamTypeData)...)
	<-began
	c.vanish()
	<-ended
}

func TestInputOfAVanishedClientStillArrives(t *testing.T) {
	got := make(chan string, 1)
	s := serveDraining(t, fake{exec: func(_ context.Context, _ string, r sandbox.ExecRequest) (int, error) {
		in, err := io.ReadAll(r.Stdin)
		got <- string(in)
		return 0, err
	}}, time.Minute)
	c := dialSPDY(t, mustExec(t, s, &runtime.ExecRequest{ContainerId: "c", Cmd: []string{"cat"}, Stdin: true}), v4)
	c.channel("error")
	stdin := c.channel("stdin")
	fmt.Fprint(stdin, "last words")
	stdin.Close()
	c.conn.Close()
	if in := <-got; in != "last words" {
		t.Errorf("%q", in)
	}
}

func TestCloseEndsSessions(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	s := serve(t, fake{exec: func(ctx context.Context, _ string, _ sandbox.ExecRequest) (int, error) {
		close(began)
		<-ctx.Done()
		close(ended)
		return 0, ctx.Err()
	}})
	c := dialSPDY(t, mustExec(t, s, &runtime.ExecRequest{ContainerId: "c", Cmd: []string{"sleep"}, Stdout: true}), v4)
	c.channel("error")
	c.channel("stdout")
	<-began
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	<-ended
	<-c.conn.CloseChan()
}

func TestTokenIsGoodForOneSessionOfItsKind(t *testing.T) {
	s := serve(t, fake{exec: func(context.Context, string, sandbox.ExecRequest) (int, error) { return 0, nil }})
	url := mustExec(t, s, &runtime.ExecRequest{ContainerId: "c", Cmd: []string{"true"}, Stdout: true})
	get := func(url string) int {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if code := get(strings.Replace(url, "/exec/", "/attach/", 1)); code != http.StatusNotFound {
		t.Errorf("another kind: %d", code)
	}
	if code := get(url); code != http.StatusNotFound {
		t.Errorf("second use: %d", code)
	}
	if code := get("http://" + s.Addr().String() + "/exec/"); code != http.StatusNotFound {
		t.Errorf("no token: %d", code)
	}
}

func TestWebSocketExec(t *testing.T) {
	s := serve(t, fake{exec: func(_ context.Context, _ string, r sandbox.ExecRequest) (int, error) {
		if r.Stdin != nil || r.Stderr != nil {
			t.Error("streams that nobody asked for")
		}
		fmt.Fprint(r.Stdout, "hello")
		return 5, nil
	}})
	url := mustExec(t, s, &runtime.ExecRequest{ContainerId: "c", Cmd: []string{"x"}, Stdout: true})
	ws, err := websocket.Dial("ws"+strings.TrimPrefix(url, "http"), "v4.channel.k8s.io", "http://localhost")
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	channels := receive(ws)
	if channels[1] != "hello" || !strings.Contains(channels[3], `"message":"5"`) {
		t.Errorf("%q", channels)
	}
}

func TestWebSocketV5HalfClosesStdinAndResizes(t *testing.T) {
	s := serve(t, fake{exec: func(_ context.Context, _ string, r sandbox.ExecRequest) (int, error) {
		size := <-r.Resize
		in, err := io.ReadAll(r.Stdin) // ends by the close message, with the connection open
		if err != nil {
			return 0, err
		}
		fmt.Fprintf(r.Stdout, "%s at %dx%d", in, size.Cols, size.Rows)
		return 5, nil
	}})
	url := mustExec(t, s, &runtime.ExecRequest{ContainerId: "c", Cmd: []string{"x"}, Stdin: true, Stdout: true, Tty: true})
	ws, err := websocket.Dial("ws"+strings.TrimPrefix(url, "http"), v5, "http://localhost")
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	for _, m := range []string{"\x04" + `{"Width":80,"Height":24}`, "\x00hello", "\xff\x00"} {
		if err := websocket.Message.Send(ws, []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	got := receive(ws)
	if got[1] != "hello at 80x24" || !strings.Contains(got[3], `"causes":[{"reason":"ExitCode","message":"5"}]`) {
		t.Errorf("%q", got)
	}
}

func TestWebSocketV5Attach(t *testing.T) {
	s := serve(t, fake{attach: func(_ context.Context, _ string, r sandbox.AttachRequest) error {
		if r.Stdin != nil || r.Stderr != nil || r.Resize != nil {
			t.Error("streams that nobody asked for")
		}
		_, err := fmt.Fprint(r.Stdout, "attached")
		return err
	}})
	url, err := s.Attach(&runtime.AttachRequest{ContainerId: "c", Stdout: true})
	if err != nil {
		t.Fatal(err)
	}
	ws, err := websocket.Dial("ws"+strings.TrimPrefix(url, "http"), v5, "http://localhost")
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if got := receive(ws); got[1] != "attached" || got[3] != "{\"status\":\"Success\"}\n" {
		t.Errorf("%q", got)
	}
}

func TestBothProtocolsTellTheSameEnd(t *testing.T) {
	for _, exec := range []func(context.Context, string, sandbox.ExecRequest) (int, error){
		func(context.Context, string, sandbox.ExecRequest) (int, error) { return 0, nil },
		func(context.Context, string, sandbox.ExecRequest) (int, error) { return 9, nil },
		func(context.Context, string, sandbox.ExecRequest) (int, error) { return 0, errors.New("broken") },
	} {
		s := serve(t, fake{exec: exec})
		var ends []exit
		for _, protocol := range []string{"v4.channel.k8s.io", v5} {
			url := mustExec(t, s, &runtime.ExecRequest{ContainerId: "c", Cmd: []string{"x"}, Stdout: true})
			ws, err := websocket.Dial("ws"+strings.TrimPrefix(url, "http"), protocol, "http://localhost")
			if err != nil {
				t.Fatal(err)
			}
			defer ws.Close()
			var e exit
			if err := json.Unmarshal([]byte(receive(ws)[3]), &e); err != nil {
				t.Fatal(err)
			}
			ends = append(ends, e)
		}
		ends[1].Message = ends[0].Message // cri-streaming adds words
		if !reflect.DeepEqual(ends[0], ends[1]) {
			t.Errorf("%+v and %+v", ends[0], ends[1])
		}
	}
}

// receive reads a WebSocket to its end and returns what came on each channel.
func receive(ws *websocket.Conn) map[byte]string {
	channels := map[byte]string{}
	for {
		var m []byte
		if websocket.Message.Receive(ws, &m) != nil {
			return channels
		}
		if len(m) > 0 {
			channels[m[0]] += string(m[1:])
		}
	}
}

func TestAddressInUseIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := New(Config{Address: l.Addr().String()}, fake{}); err == nil {
		t.Error("no error")
	}
}
