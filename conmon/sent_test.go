// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

func TestVerifyTextComparesLabels(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		have, want string
		err        unix.Errno
	}{
		"equal":            {"label", "label", 0},
		"with a mode":      {"label (enforce)\n", "label", 0},
		"with a newline":   {"label\n", "label", 0},
		"with a NUL":       {"label\x00", "label", 0},
		"a longer one":     {"label-2", "label", unix.ESTALE},
		"a shorter one":    {"labe", "label", unix.ESTALE},
		"another":          {"other", "label", unix.ESTALE},
		"none":             {"", "label", unix.ESTALE},
		"behind something": {" label", "label", unix.ESTALE},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, "f"), []byte(c.have), 0o600); err != nil {
				t.Fatal(err)
			}
			s := newStepper(t)
			d := s.open(dir, unix.O_PATH)
			s.do(plan.OpVerifyText, func(st *plan.Step) { st.FD, st.Str[0], st.Blob = d, "f", []byte(c.want) })
			_, err := s.sh("exit 0")
			if c.err == 0 && err != nil || c.err != 0 && !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
		})
	}
}

func TestAChildHandsAFileOverAndWaits(t *testing.T) {
	s := newStepper(t)
	h, err := NewHalt()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	f := s.File()
	dir := s.open("/proc", unix.O_PATH)
	s.do(plan.OpSendFd, func(st *plan.Step) { st.FD, st.FD2, st.Arg[0] = dir, f, 7 })
	s.do(plan.OpWaitFd, func(st *plan.Step) { st.FD = f })
	s.Add(execStep("/bin/true", "true"))
	type result struct {
		e   *Exec
		err error
	}
	done := make(chan result, 1)
	go func() {
		e, err := s.m.Exec(s.m.ctx, ExecRequest{Plan: s.Plan, Files: []*os.File{h.Child}})
		done <- result{e, err}
	}()
	sent, pid, err := h.Receive(s.m.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer sent.File.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(sent.File.Fd()), &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC || sent.Kind != 7 {
		t.Errorf("kind %d, file system %#x, %v", sent.Kind, st.Type, err)
	}
	select {
	case r := <-done:
		t.Fatalf("it did not wait: %+v", r)
	default:
	}
	h.Close()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	defer r.e.Close()
	if r.e.Pid != pid {
		t.Errorf("pid %d, the process's is %d", pid, r.e.Pid)
	}
	s.m.waitExec(r.e)
}

func TestReceiveEndsWithTheChildAndTheContext(t *testing.T) {
	h, err := NewHalt()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := h.Receive(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	h.Close()
	if h, err = NewHalt(); err != nil {
		t.Fatal(err)
	}
	h.Child.Close()
	if _, _, err := h.Receive(context.Background()); !errors.Is(err, io.EOF) {
		t.Errorf("without a child: %v", err)
	}
	h.Close()
	if h, err = NewHalt(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Child.WriteString("nonsense"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Receive(context.Background()); !errors.Is(err, ErrProtocol) {
		t.Errorf("nonsense: %v", err)
	}
	h.Close()
}
