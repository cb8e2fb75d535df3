// SPDX-License-Identifier: Apache-2.0

package logs

import (
	"context"
	"io"
	"log/slog"

	"k8s.io/klog/v2"
)

// New returns a logger that writes lines of the given format, "json" or text, to w. Its level follows level.
func New(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// Adopt makes l what the process logs to: slog's and log's default, and klog's (cri-streaming) target. What klog calls errors
// are details of sessions that end with an error of their own.
func Adopt(l *slog.Logger) {
	slog.SetDefault(l)
	klog.SetSlogLogger(slog.New(&quiet{l.Handler().WithAttrs([]slog.Attr{slog.String("library", "klog")})}))
}

// quiet passes everything on at debug.
type quiet struct{ next slog.Handler }

// Enabled implements slog.Handler.
func (q *quiet) Enabled(ctx context.Context, _ slog.Level) bool {
	return q.next.Enabled(ctx, slog.LevelDebug)
}

// Handle implements slog.Handler. It asks again: logr never does for errors.
func (q *quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	if !q.Enabled(ctx, r.Level) {
		return nil
	}
	return q.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (q *quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return &quiet{q.next.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (q *quiet) WithGroup(name string) slog.Handler { return &quiet{q.next.WithGroup(name)} }
