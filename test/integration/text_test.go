// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func itoa(n int) string { return strconv.Itoa(n) }

// logLine is one record of a container's log (the CRI's format: time, stream, P or F, text).
type logLine struct {
	stream string
	full   bool
	text   string
}

var logFormat = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d) (stdout|stderr) (P|F) (.*)$`)

// readLog parses a log; a record that has not ended yet is left out.
func readLog(t *testing.T, path string) []logLine {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []logLine
	for record := range strings.Lines(string(data)) {
		record, ended := strings.CutSuffix(record, "\n")
		if !ended {
			break
		}
		m := logFormat.FindStringSubmatch(record)
		if m == nil {
			t.Fatalf("%s: record %q", path, record)
		}
		lines = append(lines, logLine{stream: m[1], full: m[2] == "F", text: m[3]})
	}
	return lines
}

func wantText(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("no %q in %q", part, text)
	}
}

// statusCode is the gRPC code of a call's error; a deadline that the client saw first counts as the server's.
func statusCode(err error) codes.Code {
	if errors.Is(err, context.DeadlineExceeded) {
		return codes.DeadlineExceeded
	}
	return status.Code(err)
}

// lockedBuffer collects a command's output while a test reads it.
type lockedBuffer struct {
	// mu guards the text so far.
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
