// SPDX-License-Identifier: Apache-2.0

package layerstore

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"crisp/image/internal/step"
)

// trash deletes directories without making anybody wait: a rename takes microseconds, deleting a layer can take seconds.
type trash struct {
	dir  string
	log  *slog.Logger
	step step.Func
	// mu lets one deletion run at a time: they are not to compete with pods for the disk.
	mu sync.Mutex
}

// throw moves a directory in; that it is missing is fine. It needs no space on a full disk.
func (t *trash) throw(dir string) error {
	t.step.Take("trash: move")
	err := os.Rename(dir, filepath.Join(t.dir, rand.Text()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// empty deletes everything that is in the trash, until ctx ends. What is left then, the next Open deletes.
func (t *trash) empty(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		t.log.Error("cannot read the trash", "error", err)
		return
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return
		}
		t.step.Take("trash: delete")
		if err := os.RemoveAll(filepath.Join(t.dir, e.Name())); err != nil {
			t.log.Error("cannot delete from the trash", "name", e.Name(), "error", err)
		}
	}
}
