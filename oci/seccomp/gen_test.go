// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestTablesAreFresh(t *testing.T) {
	fresh := t.TempDir()
	if out, err := exec.Command("go", "run", "./internal/gen", fresh).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(fresh, "*", "*"))
	code, codeErr := filepath.Glob(filepath.Join(fresh, "*.go"))
	if err = errors.Join(err, codeErr); err != nil || len(made) != len(code) || len(made) < 13 {
		t.Fatalf("%d tables, %d files that embed them: %v", len(made), len(code), err)
	}
	for _, path := range append(made, code...) {
		name, err := filepath.Rel(fresh, path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s is stale: run go generate ./oci/seccomp", name)
		}
	}
}
