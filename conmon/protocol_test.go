// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"crisp/conmon/internal/gen/header"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the seeds of the C fuzzer anew")

func TestGeneratedCodeIsFresh(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("src", "protocol.h"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := header.Generate(src)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale (%v): go generate ./conmon", name, err)
		}
	}
}

func TestMessageHasNoPadding(t *testing.T) {
	if unsafe.Sizeof(message{}) != 256 {
		t.Errorf("size %d", unsafe.Sizeof(message{}))
	}
}

func TestSeedsOfTheCFuzzerAreFresh(t *testing.T) {
	id := [72]byte{'a', 'b', 'c'}
	for name, m := range map[string]message{
		"hello":    {Type: msgHello, Flags: fSubscribe, Code: 1},
		"create":   {Type: msgCreate, Id: id, Nfds: 5, Flags: fLog | fExitdir | fOom | fStdin},
		"start":    {Type: msgStart, Id: id},
		"exec":     {Type: msgExec, Id: id, Nfds: 4, Flags: fStdin | fStdout | fStderr},
		"attach":   {Type: msgAttach, Id: id, Nfds: 2, Flags: fStdout | fStderr},
		"resize":   {Type: msgResize, Id: id, Rows: 24, Cols: 80},
		"reopen":   {Type: msgReopenLog, Id: id, Nfds: 1},
		"signal":   {Type: msgSignal, Id: id, Code: 9},
		"list":     {Type: msgList},
		"forget":   {Type: msgForget, Id: id},
		"shutdown": {Type: msgShutdown, Flags: fForce},
	} {
		m.Seq = 7
		b := append([]byte{byte(m.Nfds)}, m.bytes()...)
		path := filepath.Join("fuzz", "corpus", "message", name)
		if *update {
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s is stale (%v): go test ./conmon -run Seeds -update", path, err)
		}
	}
}

func TestExitRecordIsReadStrictly(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadExit(dir); !errors.Is(err, ErrNoExit) {
		t.Errorf("no record: %v", err)
	}
	for text, want := range map[string]*Exit{
		"1 137 9 2 1500000000000000001\n": {Code: 137, Signal: 9, OOMKills: 2, Time: time.Unix(1500000000, 1)},
		"1 0 0 0 0\n":                     {Time: time.Unix(0, 0)},
		"":                                nil,
		"1 0 0 0 0":                       nil,
		"2 0 0 0 0\n":                     nil,
		"1 256 0 0 0\n":                   nil,
		"1 -1 0 0 0\n":                    nil,
		"1 0 0 0 0 0\n":                   nil,
		"1 0 0 0\n":                       nil,
		"1  0 0 0\n":                      nil,
	} {
		if err := os.WriteFile(filepath.Join(dir, "exit"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadExit(dir)
		switch {
		case want == nil && !errors.Is(err, ErrNoExit):
			t.Errorf("%q: %+v, %v", text, got, err)
		case want != nil && (err != nil || got != *want):
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func FuzzParseExit(f *testing.F) {
	f.Add([]byte("1 137 9 2 1500000000000000001\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseExit(b)
		if err == nil && (e.Code < 0 || e.Code > 255 || e.Signal < 0 || e.Time.Before(time.Unix(0, 0))) {
			t.Errorf("%q: %+v", b, e)
		}
	})
}

func TestErrorsAreWords(t *testing.T) {
	for want, err := range map[string]error{
		"mount /proc: MOVE_MOUNT: operation not permitted": &StepError{Index: 3, Op: 10, Note: "mount /proc", Errno: unix.EPERM},
		"step 3: MOVE_MOUNT: operation not permitted":      &StepError{Index: 3, Op: 10, Errno: unix.EPERM},
		"clone: resource temporarily unavailable":          &StepError{Index: -1, At: "clone", Errno: unix.EAGAIN},
		"no such container in the monitor":                 (&reply{message: message{Type: msgErr, Step: -1, Op: atUnknownId}}).err(),
		"wrong state: device or resource busy":             (&reply{message: message{Type: msgErr, Step: -1, Op: atState, Err: 16}}).err(),
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}
