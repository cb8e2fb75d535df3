// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"crisp/image/internal/tartest"
)

type entry = tartest.Entry

func openDirectory(t testing.TB) *os.File {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "fs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// apply unpacks entries and returns the tree as text, one line an entry.
func apply(t testing.TB, entries ...entry) (tree []string, sum Summary) {
	t.Helper()
	root := openDirectory(t)
	sum, err := Apply(t.Context(), root, bytes.NewReader(tartest.Archive(t, entries...)), DefaultLimits())
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return tartest.List(t, root.Name()), sum
}
