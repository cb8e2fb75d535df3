// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"
)

const (
	levelDebug = slog.LevelDebug
	levelInfo  = slog.LevelInfo
)

// A logger writes what logrus writes, because engines read it: one line for each message,
//
//	time="2026-11-25T06:40:29Z" level=error msg="container does not exist"
//	{"level":"error","msg":"container does not exist","time":"2026-11-25T06:40:29Z"}
//
// each in one call.
type logger struct {
	out   io.Writer
	file  bool // it is not stderr
	json  bool
	level slog.Level
	attrs []slog.Attr
}

func newLogger(out io.Writer) *logger { return &logger{out: out, level: levelInfo} }

func (l *logger) slog() *slog.Logger { return slog.New(l) }

func (l *logger) error(text string) {
	_ = l.Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelError, text, 0))
}

// Enabled is slog.Handler's.
func (l *logger) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }

// Handle is slog.Handler's.
func (l *logger) Handle(_ context.Context, r slog.Record) error {
	fields := l.attrs
	r.Attrs(func(a slog.Attr) bool {
		fields = append(fields[:len(fields):len(fields)], a)
		return true
	})
	line, err := l.text(r, fields), error(nil)
	if l.json {
		line, err = jsonLine(r, fields)
	}
	if err == nil {
		_, err = l.out.Write(line)
	}
	return err
}

func levelName(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "error"
	case level >= slog.LevelWarn:
		return "warning"
	case level >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}

func (l *logger) text(r slog.Record, fields []slog.Attr) []byte {
	b := fmt.Appendf(nil, "time=%q level=%s msg=%s", r.Time.Format(time.RFC3339), levelName(r.Level), quoted(r.Message))
	for _, a := range fields {
		b = fmt.Appendf(b, " %s=%s", a.Key, quoted(a.Value.String()))
	}
	return append(b, '\n')
}

// quoted quotes what logrus quotes.
func quoted(s string) string {
	for _, c := range s {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '/', c == '@', c == '^', c == '+':
		default:
			return strconv.Quote(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

func jsonLine(r slog.Record, fields []slog.Attr) ([]byte, error) {
	m := map[string]string{}
	for _, a := range fields {
		m[a.Key] = a.Value.String()
	}
	m["level"], m["msg"], m["time"] = levelName(r.Level), r.Message, r.Time.Format(time.RFC3339)
	b, err := json.Marshal(m)
	return append(b, '\n'), err
}

// WithAttrs is slog.Handler's.
func (l *logger) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *l
	n.attrs = append(l.attrs[:len(l.attrs):len(l.attrs)], attrs...)
	return &n
}

// WithGroup is slog.Handler's. Nobody here makes groups.
func (l *logger) WithGroup(string) slog.Handler { return l }
