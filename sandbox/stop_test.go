// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"crisp/sandbox/record"
)

func TestLaterStopOnlyShortensTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stopper
		now := time.Now()
		if run, _ := s.begin(now.Add(time.Hour)); !run {
			t.Fatal("the first stop does not run")
		}
		for _, d := range []time.Duration{2 * time.Hour, time.Minute, 30 * time.Minute} {
			if run, _ := s.begin(now.Add(d)); run {
				t.Error("two stops run")
			}
		}
		if got := s.until(); got != time.Minute {
			t.Errorf("deadline in %s", got)
		}
		s.end()
		if run, _ := s.begin(now.Add(2 * time.Hour)); !run || s.until() != 2*time.Hour {
			t.Errorf("a stop after the end: %t, %s", run, s.until())
		}
	})
}

func TestThousandStopsDoNotBlockOneAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := testManager(t)
		c := testContainer(t, m, testPod(t, m, "a"), "1")
		c.beginStart()
		m.endStart(c, 1, nil)
		if run, _ := c.stop.begin(time.Now().Add(time.Hour)); !run {
			t.Fatal("no stop")
		}
		ended := make(chan bool, 1)
		go func() { ended <- m.awaitDeadline(c) }()
		answers := make(chan error, 1000)
		for i := range 1000 {
			go func() { answers <- m.stopContainer(t.Context(), c, time.Duration(i+1)*time.Minute) }()
		}
		synctest.Wait()
		m.noteExit(c, record.Exit{FinishedAt: 2})
		for range 1000 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		if !<-ended {
			t.Error("the stop does not know of the exit")
		}
	})
}

func TestStopThatCannotKillTellsItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := testManager(t)
		c := testContainer(t, m, testPod(t, m, "a"), "1")
		c.beginStart()
		m.endStart(c, 1, nil)
		c.stop.begin(time.Now())
		answer := make(chan error, 1)
		go func() { answer <- m.stopContainer(t.Context(), c, 0) }()
		synctest.Wait()
		c.stop.attempt(errors.New("pid 7 state D"))
		if err := <-answer; !errors.Is(err, ErrDeadline) {
			t.Errorf("err = %v", err)
		}
		if r, _ := m.ContainerStatus(c.rec.ID, false); r.Status.Message != "stopping, blocked: pid 7 state D" {
			t.Errorf("message %q", r.Status.Message)
		}
	})
}
