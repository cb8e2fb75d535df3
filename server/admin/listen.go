// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Server is a running one.
type Server struct{ http *http.Server }

// New makes a server for the images.
func New(images Images) *Server {
	return &Server{&http.Server{Handler: Handler(images), ReadHeaderTimeout: 10 * time.Second}}
}

// Serve serves until Close. The listener's socket must be one that only root can connect to.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends it; requests under way have a moment.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdown)
	defer cancel()
	if err := s.http.Shutdown(ctx); err == nil {
		return nil
	}
	return s.http.Close()
}
