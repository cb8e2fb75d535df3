// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStandbyEndsWithoutAPlan: one that was not wanted is gone after its Close.
func TestStandbyEndsWithoutAPlan(t *testing.T) {
	needRoot(t)
	s, err := StandBy()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(s.pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("executor %d: %v", s.pid, err)
	}
}

// TestStandbyServesLate: the executor waits for its plan, and several wait side by side.
func TestStandbyServesLate(t *testing.T) {
	needRoot(t)
	reaper(t)
	var all []*Standby
	for range 3 {
		s, err := StandBy()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	for code, s := range all {
		<-s.started
		p, err := s.Once(t.Context(), ExecRequest{Plan: script("exit "+string(rune('3'+code)), false)})
		if err != nil {
			t.Fatal(err)
		}
		wantExit(t, p.Pid, 3+code)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestStandbyRefusesABarrierAndEnds: also a plan that is refused before it is sent ends the executor.
func TestStandbyRefusesABarrierAndEnds(t *testing.T) {
	needRoot(t)
	reaper(t)
	s, err := StandBy()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Once(t.Context(), ExecRequest{Plan: script("", true)}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("barrier without a socket: %v", err)
	}
	if err := unix.Kill(s.pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("executor %d: %v", s.pid, err)
	}
}
