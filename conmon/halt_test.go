// SPDX-License-Identifier: Apache-2.0

package conmon

import (
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
	sent, err := h.Receive()
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
	if err := h.Finish(); err != nil {
		t.Fatal(err)
	}
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	defer r.e.Close()
	if r.e.Pid != sent.Pid {
		t.Errorf("pid %d, the process's is %d", sent.Pid, r.e.Pid)
	}
	s.m.waitExec(r.e)
}

func TestServeRunsTheCallbackBeforeTheChildGoesOn(t *testing.T) {
	s := newStepper(t)
	h, err := NewHalt()
	if err != nil {
		t.Fatal(err)
	}
	pids := make(chan int, 1)
	h.Serve(func(c Halted) error {
		if c.File != nil {
			t.Error("a file came")
		}
		pids <- c.Pid
		return nil
	})
	f := s.File()
	s.do(plan.OpWrite, func(st *plan.Step) { st.FD, st.Blob = f, []byte("h") })
	s.do(plan.OpWaitFd, func(st *plan.Step) { st.FD = f })
	s.Add(execStep("/bin/true", "true"))
	e, err := s.m.Exec(s.m.ctx, ExecRequest{Plan: s.Plan, Files: []*os.File{h.Child}})
	if err := errors.Join(err, h.Finish()); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if pid := <-pids; pid != e.Pid {
		t.Errorf("pid %d, the process's is %d", pid, e.Pid)
	}
	s.m.waitExec(e)
}

func TestAFailingCallbackKillsTheChild(t *testing.T) {
	s := newStepper(t)
	h, err := NewHalt()
	if err != nil {
		t.Fatal(err)
	}
	h.Serve(func(Halted) error { return os.ErrInvalid })
	f := s.File()
	s.do(plan.OpWrite, func(st *plan.Step) { st.FD, st.Blob = f, []byte("h") })
	s.do(plan.OpWaitFd, func(st *plan.Step) { st.FD = f })
	s.Add(execStep("/bin/true", "true"))
	_, err = s.m.Exec(s.m.ctx, ExecRequest{Plan: s.Plan, Files: []*os.File{h.Child}})
	if haltErr := h.Finish(); err == nil || !errors.Is(haltErr, os.ErrInvalid) {
		t.Errorf("exec %v, halt %v", err, haltErr)
	}
}

func TestAHaltEndsWithTheChild(t *testing.T) {
	h, err := NewHalt()
	if err != nil {
		t.Fatal(err)
	}
	h.Serve(func(Halted) error { return os.ErrInvalid })
	if err := h.Finish(); err != nil {
		t.Errorf("without a child: %v", err)
	}
	if h, err = NewHalt(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Child.WriteString("nonsense"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Receive(); !errors.Is(err, ErrProtocol) {
		t.Errorf("nonsense: %v", err)
	}
	h.Child.Close()
	if _, err := h.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("closed: %v", err)
	}
	if err := h.Finish(); err != nil {
		t.Error(err)
	}
}
