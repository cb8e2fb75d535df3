// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func TestLocksOfOneIDExcludeEachOther(t *testing.T) {
	l := newLocks()
	var wg sync.WaitGroup
	inside := 0
	for range 50 {
		wg.Go(func() {
			unlock, err := l.lock(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			inside++ // the race detector watches
		})
	}
	wg.Wait()
	if inside != 50 || len(l.held) != 0 {
		t.Errorf("%d were inside, %d locks are left", inside, len(l.held))
	}
}

func TestWaitingForALockEndsWithTheContext(t *testing.T) {
	l := newLocks()
	unlock, err := l.lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.lock(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
	other, err := l.lock(ctx, "b") // free: no waiting
	if err != nil {
		t.Error(err)
	} else {
		other()
	}
	unlock()
}
