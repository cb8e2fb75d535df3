// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"sync"
)

// locks has one lock for each pod that something is done with. Waiting for one ends with the context.
type locks struct {
	// mu guards the map. A channel of it is closed when its lock is free again.
	mu   sync.Mutex
	held map[string]chan struct{}
}

func newLocks() *locks { return &locks{held: map[string]chan struct{}{}} }

// lock waits for the ID's lock and gives the function that frees it.
func (s *locks) lock(ctx context.Context, id string) (unlock func(), err error) {
	for {
		s.mu.Lock()
		wait, held := s.held[id]
		if !held {
			free := make(chan struct{})
			s.held[id] = free
			s.mu.Unlock()
			return func() { s.unlock(id, free) }, nil
		}
		s.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (s *locks) unlock(id string, free chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, id)
	close(free)
}
