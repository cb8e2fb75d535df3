// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Config is what a Server works with.
type Config struct {
	Pods     Pods
	Images   Images
	Network  Network
	Sessions Sessions

	// Version is crisp's own, a semantic version: the kubelet parses it.
	Version string
	// Features is what pods may rely on.
	Features Features
	// SystemdCgroups: systemd makes the cgroups, and the kubelet is to name slices.
	SystemdCgroups bool
	// MaxMessageSize bounds messages in both directions, in bytes.
	MaxMessageSize int
	// Info is what Status shows when asked to be verbose: a value for each key that encoding/json can write. May be nil.
	Info func() map[string]any
	// Log is where calls are logged; nil: slog.Default().
	Log *slog.Logger
}

// Server is the CRI's two services.
type Server struct {
	grpc     *grpc.Server
	stopping context.CancelFunc // ends the calls that have no end of their own
}

// streamWorkers is how many goroutines stay for calls; more calls at a time get goroutines of their own. A new one grows its
// stack in every call: with workers a call costs 51 µs of CPU, client included, instead of 66 (BenchmarkCall).
const streamWorkers = 8

// New makes a Server; Serve begins to answer.
func New(c Config) *Server {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	running, stopping := context.WithCancel(context.Background())
	i := interceptor{log: c.Log}
	s := &Server{
		grpc: grpc.NewServer(
			grpc.MaxRecvMsgSize(c.MaxMessageSize),
			grpc.MaxSendMsgSize(c.MaxMessageSize),
			grpc.UnaryInterceptor(i.unary),
			grpc.StreamInterceptor(i.stream),
			grpc.NumStreamWorkers(streamWorkers),
		),
		stopping: stopping,
	}
	runtime.RegisterRuntimeServiceServer(s.grpc, &runtimeService{Config: c, running: running})
	runtime.RegisterImageServiceServer(s.grpc, &imageService{images: c.Images})
	return s
}

// Serve answers on l until Stop. It closes l.
func (s *Server) Serve(l net.Listener) error {
	if err := s.grpc.Serve(l); err != nil {
		return fmt.Errorf("CRI server: %w", err)
	}
	return nil
}

// Stop takes no new calls, waits for those that run, but not longer than grace, and cancels what is left.
func (s *Server) Stop(grace time.Duration) {
	s.stopping()
	late := time.AfterFunc(grace, s.grpc.Stop)
	defer late.Stop()
	s.grpc.GracefulStop()
}
