// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"log/slog"
	"path"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// mutations are the calls that change something or let somebody in; they are logged at info, reads at debug. ExecSync is
// a read here: a node with probes has hundreds a second.
var mutations = map[string]bool{
	"RunPodSandbox": true, "StopPodSandbox": true, "RemovePodSandbox": true,
	"CreateContainer": true, "StartContainer": true, "StopContainer": true, "RemoveContainer": true,
	"UpdateContainerResources": true, "ReopenContainerLog": true,
	"Exec": true, "Attach": true, "PortForward": true,
	"PullImage": true, "RemoveImage": true, "UpdateRuntimeConfig": true,
}

// interceptor stands around every call: it logs it, gives its error a code, and turns a panic into one.
type interceptor struct{ log *slog.Logger }

func (i interceptor) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	start := time.Now()
	defer func() { // the one exit: an error that is set here is what the client gets
		if p := recover(); p != nil {
			resp, err = nil, i.panicked(info.FullMethod, p)
		}
		err = withCode(err)
		i.record(ctx, call{method: path.Base(info.FullMethod), req: req, resp: resp, start: start, err: err})
	}()
	return handler(ctx, req)
}

func (i interceptor) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			err = i.panicked(info.FullMethod, p)
		}
		err = withCode(err)
		i.record(ss.Context(), call{method: path.Base(info.FullMethod), start: start, err: err})
	}()
	return handler(srv, ss)
}

// panicked logs a panic with its stack. The daemon goes on: its pods are worth more than the one call.
func (i interceptor) panicked(method string, p any) error {
	i.log.Error("call panicked", "method", path.Base(method), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return status.Errorf(codes.Internal, "panic in %s: %v (the daemon's log has the stack)", path.Base(method), p)
}

// call is one call when it is over.
type call struct {
	method    string
	req, resp any
	start     time.Time
	err       error // with code
}

// level is how important the call is to a reader of the log.
func (c *call) level() slog.Level {
	quiet := slog.LevelDebug
	if mutations[c.method] {
		quiet = slog.LevelInfo
	}
	switch status.Code(c.err) {
	case codes.OK, codes.Canceled, codes.Unimplemented:
		return quiet
	case codes.NotFound: // how the kubelet learns that something is gone
		return quiet
	default:
		return slog.LevelWarn
	}
}

func (i interceptor) record(ctx context.Context, c call) {
	level := c.level()
	if !i.log.Enabled(ctx, level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 8), slog.String("method", c.method))
	attrs = append(attrs, subject(c.req)...)
	if c.err == nil {
		attrs = append(attrs, outcome(c.resp)...)
	}
	attrs = append(attrs, slog.Duration("took", time.Since(c.start).Round(time.Microsecond)))
	if c.err != nil {
		s := status.Convert(c.err)
		attrs = append(attrs, slog.String("code", s.Code().String()), slog.String("error", s.Message()))
	}
	i.log.LogAttrs(ctx, level, "call", attrs...)
}

// subject names what a call is about. It never shows a whole request: PullImage's has a password in it, CreateContainer's
// the environment.
func subject(req any) []slog.Attr {
	switch r := req.(type) {
	case *runtime.RunPodSandboxRequest:
		m := r.GetConfig().GetMetadata()
		return []slog.Attr{slog.String("namespace", m.GetNamespace()), slog.String("name", m.GetName()), slog.String("uid", m.GetUid())}
	case *runtime.CreateContainerRequest:
		return []slog.Attr{slog.String("pod", r.GetPodSandboxId()), slog.String("name", r.GetConfig().GetMetadata().GetName())}
	case *runtime.ExecRequest:
		return []slog.Attr{slog.String("container", r.GetContainerId()), slog.Any("cmd", r.GetCmd())}
	case *runtime.ExecSyncRequest:
		return []slog.Attr{slog.String("container", r.GetContainerId()), slog.Any("cmd", r.GetCmd())}
	case interface{ GetContainerId() string }:
		return []slog.Attr{slog.String("container", r.GetContainerId())}
	case interface{ GetPodSandboxId() string }:
		return []slog.Attr{slog.String("pod", r.GetPodSandboxId())}
	case interface{ GetImage() *runtime.ImageSpec }:
		return []slog.Attr{slog.String("image", r.GetImage().GetImage())}
	}
	return nil
}

// outcome names what a call made.
func outcome(resp any) []slog.Attr {
	switch r := resp.(type) {
	case *runtime.RunPodSandboxResponse:
		return []slog.Attr{slog.String("pod", r.GetPodSandboxId())}
	case *runtime.CreateContainerResponse:
		return []slog.Attr{slog.String("container", r.GetContainerId())}
	case *runtime.PullImageResponse:
		return []slog.Attr{slog.String("id", r.GetImageRef())}
	}
	return nil
}
