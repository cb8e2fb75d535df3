// SPDX-License-Identifier: Apache-2.0

package job

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestCallersOfOneKeyShareOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup[string](t.Context(), time.Minute)
		var runs atomic.Int32
		release := make(chan struct{})
		work := func(*Task) (string, error) { runs.Add(1); <-release; return "id1", nil }
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if id, err := g.Do(t.Context(), Request[string]{Key: "k", Work: work}); id != "id1" || err != nil {
					t.Errorf("Do = %q, %v", id, err)
				}
			})
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		if runs.Load() != 1 {
			t.Errorf("the work ran %d times", runs.Load())
		}
	})
}

func TestCallerThatLeavesLeavesTheWorkRunningAndRetryGetsItsResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup[string](t.Context(), time.Minute)
		var found atomic.Pointer[string]
		req := Request[string]{
			Key: "k",
			Lookup: func() (string, bool) {
				if p := found.Load(); p != nil {
					return *p, true
				}
				return "", false
			},
			Work: func(task *Task) (string, error) {
				task.Stage("slow disk")
				select {
				case <-time.After(10 * time.Second):
				case <-task.Context().Done():
					return "", task.Context().Err()
				}
				id := "id1"
				found.Store(&id)
				return id, nil
			},
		}
		for range 4 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			_, err := g.Do(ctx, req)
			cancel()
			if !errors.Is(err, ErrLeft) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "slow disk") {
				t.Fatalf("Do after the caller's deadline: %v", err)
			}
		}
		if id, err := g.Do(t.Context(), req); id != "id1" || err != nil {
			t.Errorf("joined: %q, %v", id, err)
		}
		if id, err := g.Do(t.Context(), req); id != "id1" || err != nil {
			t.Errorf("after the end: %q, %v", id, err)
		}
	})
}

func TestFailedJobIsForgottenSoThatARetryStartsAnew(t *testing.T) {
	g := NewGroup[int](t.Context(), time.Minute)
	boom := errors.New("boom")
	if _, err := g.Do(t.Context(), Request[int]{Key: "k", Work: func(*Task) (int, error) { return 0, boom }}); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if v, err := g.Do(t.Context(), Request[int]{Key: "k", Work: func(*Task) (int, error) { return 7, nil }}); v != 7 || err != nil {
		t.Errorf("retry: %d, %v", v, err)
	}
}

func TestWorkIsEndedAtItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup[int](t.Context(), time.Minute)
		_, err := g.Do(t.Context(), Request[int]{Key: "k", Work: func(task *Task) (int, error) {
			<-task.Context().Done()
			return 0, task.Context().Err()
		}})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v", err)
		}
	})
}

func TestStuckWorkKeepsItsKeyButNotItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup[int](t.Context(), time.Minute)
		release := make(chan struct{})
		req := Request[int]{Key: "k", Work: func(task *Task) (int, error) { task.Stage("stat /nfs"); <-release; return 1, nil }}
		for range 2 {
			if _, err := g.Do(t.Context(), req); !errors.Is(err, ErrOverdue) || !strings.Contains(err.Error(), "stat /nfs") {
				t.Errorf("err = %v", err)
			}
		}
		if r := g.Running(); len(r) != 1 || r[0].Stage != "stat /nfs" || r[0].Running < time.Minute {
			t.Errorf("running: %v", r)
		}
		close(release)
		synctest.Wait()
		if len(g.Running()) != 0 {
			t.Error("the key outlived the work")
		}
	})
}

func TestPanicEndsTheJobAndNotTheDaemon(t *testing.T) {
	g := NewGroup[int](t.Context(), time.Minute)
	_, err := g.Do(t.Context(), Request[int]{Key: "k", Work: func(task *Task) (int, error) { task.Stage("s"); panic("x") }})
	if !errors.Is(err, ErrPanic) {
		t.Errorf("err = %v", err)
	}
}

func TestCloseWaitsForWorkAndTakesNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup[int](t.Context(), time.Minute)
		go g.Do(t.Context(), Request[int]{Key: "k", Work: func(*Task) (int, error) { time.Sleep(time.Second); return 0, nil }})
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := g.Close(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close with work under way: %v", err)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := g.Do(t.Context(), Request[int]{Key: "l"}); !errors.Is(err, ErrClosed) {
			t.Errorf("Do after Close: %v", err)
		}
	})
}
