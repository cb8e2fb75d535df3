// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"container/list"
	"crypto/rand"
	"errors"
	"sync"
	"time"
)

const (
	// tokenLifetime and maxTokens are k8s.io/cri-streaming's (request_cache.go): a kubelet connects within
	// milliseconds, and one that asks without connecting must not fill the memory.
	tokenLifetime = time.Minute
	maxTokens     = 1000
)

// ErrTooMany: more sessions were asked for than are waited for at a time.
var ErrTooMany = errors.New("maximum number of in-flight requests exceeded")

// tokens keeps requests until their client connects. A token is good once.
type tokens struct {
	now func() time.Time

	// mu guards what waits.
	mu      sync.Mutex
	waiting map[string]*list.Element
	byAge   *list.List // of waiting, the oldest in front; all live equally long
}

// waiting is a request that no client has come for yet.
type waiting struct {
	token   string
	request any
	expires time.Time
}

func newTokens() *tokens {
	return &tokens{now: time.Now, waiting: map[string]*list.Element{}, byAge: list.New()}
}

// put keeps a request and returns the token that takes it out.
func (t *tokens) put(request any) (string, error) {
	token := rand.Text() // 128 bits at least: whoever has it may run a command
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	if t.byAge.Len() >= maxTokens {
		return "", ErrTooMany
	}
	t.waiting[token] = t.byAge.PushBack(&waiting{token, request, t.now().Add(tokenLifetime)})
	return token, nil
}

// take returns the request of a token and forgets it.
func (t *tokens) take(token string) (any, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	e, ok := t.waiting[token]
	if !ok {
		return nil, false
	}
	delete(t.waiting, token)
	return t.byAge.Remove(e).(*waiting).request, true
}

// expire forgets what nobody came for. The caller holds mu.
func (t *tokens) expire() {
	now := t.now()
	for e := t.byAge.Front(); e != nil && !e.Value.(*waiting).expires.After(now); e = t.byAge.Front() {
		delete(t.waiting, t.byAge.Remove(e).(*waiting).token)
	}
}
