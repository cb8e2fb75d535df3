// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// trap is a directory of the host that nothing may touch. It has what a runtime looks for, so that a path that leads there goes on.
type trap struct {
	t      testing.TB
	dir    string
	before string
}

func (b *bench) trap() *trap {
	b.Helper()
	h := &trap{t: b, dir: b.make("trap-" + b.id())}
	for _, d := range []string{"pts", "shm", "fs", "sys", "net", "deep", "x", "x/y"} {
		if err := os.MkdirAll(filepath.Join(h.dir, d), 0o700); err != nil {
			b.Fatal(err)
		}
	}
	for _, f := range []string{"file", "null", "console", "hosts", "secret"} {
		b.file(filepath.Join(h.dir, f), "of the host", 0o600)
	}
	h.before = h.list()
	return h
}

// list is everything in the trap with what would tell of a change.
func (h *trap) list() string {
	h.t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(h.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(h.dir, p)
		fmt.Fprintf(&b, "%s %s %d\n", rel, st.Mode(), st.Size())
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return b.String()
}

// check reports what was changed.
func (h *trap) check(what string) {
	h.t.Helper()
	now := h.list()
	if now == h.before {
		return
	}
	for l := range strings.Lines(now) {
		if !strings.Contains(h.before, l) {
			h.t.Errorf("%s: the host was changed: %s", what, strings.TrimSpace(l))
		}
	}
	h.before = now
}

// links are ways to lead from inside a root file system to the trap.
func (h *trap) links() []string {
	return []string{h.dir, "../../../../../../../../../.." + h.dir, "/proc/self/root" + h.dir}
}
