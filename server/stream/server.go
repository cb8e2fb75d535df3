// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"

	"crisp/sandbox"
)

// Runtime does what the sessions are about. sandbox.Manager is one.
type Runtime interface {
	Exec(ctx context.Context, id string, r sandbox.ExecRequest) (code int, err error)
	Attach(ctx context.Context, id string, r sandbox.AttachRequest) error
	PortForward(ctx context.Context, podID string, port int32, conn io.ReadWriteCloser) error
}

// Config is what a Server works with.
type Config struct {
	Address     string        // host:port to listen on; port 0 takes a free one
	IdleTimeout time.Duration // ends a session on which nothing happens
	Log         *slog.Logger  // nil: slog.Default()
}

// Server hands out sessions and serves them.
type Server struct {
	config   Config
	runtime  Runtime
	tokens   *tokens
	listener *listener
	http     http.Server
	stop     context.CancelFunc // ends every session
}

// New listens; Serve begins to accept.
func New(c Config, r Runtime) (*Server, error) {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	l, err := net.Listen("tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("streaming server: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{
		config:   c,
		runtime:  r,
		tokens:   newTokens(),
		listener: &listener{Listener: l, ctx: ctx, drain: drainTime},
		stop:     stop,
	}
	mux := http.NewServeMux()
	for _, method := range []string{http.MethodGet, http.MethodPost} { // WebSocket and SPDY
		mux.HandleFunc(method+" /exec/{token}", s.serveExec)
		mux.HandleFunc(method+" /attach/{token}", s.serveAttach)
		mux.HandleFunc(method+" /portforward/{token}", s.servePortForward)
	}
	s.http = http.Server{
		Handler:           mux,
		ReadHeaderTimeout: remotecommand.DefaultStreamCreationTimeout,
		ConnContext:       withConn,
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve accepts clients until Close.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("streaming server: %w", err)
	}
	return nil
}

// Close stops listening and ends all sessions.
func (s *Server) Close() error {
	s.stop()
	return errors.Join(s.http.Close(), ignoreClosed(s.listener.Close()))
}

// ignoreClosed: http.Server closes the listener only once it serves it.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Exec returns the URL of a session for a valid request.
func (s *Server) Exec(r *runtime.ExecRequest) (string, error) { return s.url("exec", r) }

// Attach returns the URL of a session for a valid request.
func (s *Server) Attach(r *runtime.AttachRequest) (string, error) { return s.url("attach", r) }

// PortForward returns the URL of a session for a valid request.
func (s *Server) PortForward(r *runtime.PortForwardRequest) (string, error) {
	return s.url("portforward", r)
}

func (s *Server) url(kind string, request any) (string, error) {
	token, err := s.tokens.put(request)
	if err != nil {
		return "", err
	}
	u := url.URL{Scheme: "http", Host: s.Addr().String(), Path: "/" + kind + "/" + token}
	return u.String(), nil
}

// take returns the request that r's token stands for, if it is one of type R, and the session for its client.
func take[R any](s *Server, w http.ResponseWriter, r *http.Request) (R, *session, bool) {
	kept, _ := s.tokens.take(r.PathValue("token"))
	request, ok := kept.(R)
	if !ok {
		http.NotFound(w, r)
		return request, nil, false
	}
	return request, &session{runtime: s.runtime, log: s.config.Log, client: r.Context().Value(connKey{}).(*conn)}, true
}

func (s *Server) serveExec(w http.ResponseWriter, r *http.Request) {
	req, se, ok := take[*runtime.ExecRequest](s, w, r)
	if !ok {
		return
	}
	o := &remotecommand.Options{Stdin: req.Stdin, Stdout: req.Stdout, Stderr: req.Stderr, TTY: req.Tty}
	se.wanted = *o
	if wantsV5(r) {
		s.serveV5(w, r, o, func(c channels) error { return se.exec(req.ContainerId, req.Cmd, c) })
		return
	}
	remotecommand.ServeExec(w, r, se, "", "", req.ContainerId, req.Cmd, o,
		s.config.IdleTimeout, remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (s *Server) serveAttach(w http.ResponseWriter, r *http.Request) {
	req, se, ok := take[*runtime.AttachRequest](s, w, r)
	if !ok {
		return
	}
	o := &remotecommand.Options{Stdin: req.Stdin, Stdout: req.Stdout, Stderr: req.Stderr, TTY: req.Tty}
	se.wanted = *o
	if wantsV5(r) {
		s.serveV5(w, r, o, func(c channels) error { return se.attach(req.ContainerId, c) })
		return
	}
	remotecommand.ServeAttach(w, r, se, "", "", req.ContainerId, o,
		s.config.IdleTimeout, remotecommand.DefaultStreamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (s *Server) servePortForward(w http.ResponseWriter, r *http.Request) {
	if req, se, ok := take[*runtime.PortForwardRequest](s, w, r); ok {
		portforward.ServePortForward(w, r, se, req.PodSandboxId, "", &portforward.V4Options{Ports: req.Port},
			s.config.IdleTimeout, remotecommand.DefaultStreamCreationTimeout, portforward.SupportedProtocols)
	}
}
