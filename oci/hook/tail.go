// SPDX-License-Identifier: Apache-2.0

package hook

import "sync"

// maxOutput is how much of a hook's output is kept, in bytes.
const maxOutput = 4096

// Tail keeps the end of what is written to it. The zero Tail is empty. It is safe for concurrent use.
type Tail struct {
	mu  sync.Mutex // guards everything below
	buf []byte
	cut bool
}

// Write never fails: a hook that says much must not be stopped by that.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	if n > maxOutput {
		b, t.cut = b[n-maxOutput:], true
	}
	if over := len(t.buf) + len(b) - maxOutput; over > 0 {
		t.buf, t.cut = append(t.buf[:0], t.buf[over:]...), true
	}
	t.buf = append(t.buf, b...)
	return n, nil
}

// String returns what was kept, after "…" when that is not all.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cut {
		return "…" + string(t.buf)
	}
	return string(t.buf)
}
