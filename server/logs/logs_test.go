// SPDX-License-Identifier: Apache-2.0

package logs

import (
	"bytes"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"strings"
	"testing"

	"k8s.io/klog/v2"
)

// records decodes what was logged.
func records(t *testing.T, buf *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(buf.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, m)
	}
	return all
}

func TestLibrariesLogHere(t *testing.T) {
	var buf bytes.Buffer
	Adopt(New(&buf, "json", slog.LevelDebug))
	t.Cleanup(func() { Adopt(slog.New(slog.DiscardHandler)) })
	klog.Background().Error(errors.New("gone"), "Unhandled Error")
	log.Print("plain")
	slog.Info("ours")
	got := records(t, &buf)
	want := []struct{ level, msg string }{
		{"DEBUG", "Unhandled Error"}, {"INFO", "plain"}, {"INFO", "ours"},
	}
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i, w := range want {
		if got[i]["level"] != w.level || got[i]["msg"] != w.msg {
			t.Errorf("%v, want %v", got[i], w)
		}
	}
	if got[0]["err"] != "gone" || got[0]["library"] != "klog" {
		t.Errorf("%v", got)
	}
}

func TestLibrariesAreQuietAtInfo(t *testing.T) {
	var buf bytes.Buffer
	Adopt(New(&buf, "json", slog.LevelInfo))
	t.Cleanup(func() { Adopt(slog.New(slog.DiscardHandler)) })
	klog.Background().Error(nil, "Unhandled Error")
	klog.Background().Info("detail")
	if buf.Len() != 0 {
		t.Errorf("%s", buf.String())
	}
}

func TestLevelCanChange(t *testing.T) {
	var buf bytes.Buffer
	var level slog.LevelVar
	l := New(&buf, "text", &level)
	l.Debug("one")
	level.Set(slog.LevelDebug)
	l.Debug("two")
	if got := buf.String(); strings.Contains(got, "one") || !strings.Contains(got, "level=DEBUG msg=two") {
		t.Errorf("%q", got)
	}
}
