// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"sync"
)

// opLock serialises the operations on one object. Whoever waits for it can give up; reads never take it.
type opLock chan struct{}

func newOpLock() opLock { return make(opLock, 1) }

func (l opLock) lock(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for another operation on it: %w", ctx.Err())
	}
}

func (l opLock) unlock() { <-l }

// gate lets container creations into a pod until the pod is stopped, and lets the stop wait for those that are inside.
type gate struct {
	mu     sync.Mutex // guards inside, closed and empty
	inside int
	closed bool
	empty  chan struct{} // made by shut, closed when nobody is inside
}

// enter says false when the gate is shut; else the caller calls leave later.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.closed {
		close(g.empty)
	}
}

// shut lets nobody in any more and waits until nobody is inside. It may be called again.
func (g *gate) shut(ctx context.Context) error {
	g.mu.Lock()
	if !g.closed {
		g.closed, g.empty = true, make(chan struct{})
		if g.inside == 0 {
			close(g.empty)
		}
	}
	empty := g.empty
	g.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for container creations in the pod: %w", ctx.Err())
	}
}
