// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhoeverWaitsForAnOperationCanGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newOpLock()
		if err := l.lock(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v", err)
		}
		l.unlock()
		if err := l.lock(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestShutGateLetsNobodyInAndWaitsForThoseInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		for range 2 {
			if !g.enter() {
				t.Fatal("an open gate was shut")
			}
		}
		shut := make(chan error, 2)
		for range 2 {
			go func() { shut <- g.shut(t.Context()) }()
		}
		synctest.Wait()
		if g.enter() {
			t.Error("entered a shut gate")
		}
		g.leave()
		synctest.Wait()
		select {
		case <-shut:
			t.Error("shut before all had left")
		default:
		}
		g.leave()
		for range 2 {
			if err := <-shut; err != nil {
				t.Error(err)
			}
		}
		if err := g.shut(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
