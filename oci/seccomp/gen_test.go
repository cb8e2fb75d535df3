// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestTableIsFresh(t *testing.T) {
	fresh := filepath.Join(t.TempDir(), "table.go")
	if out, err := exec.Command("go", "run", "./internal/gen", fresh).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	want, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("syscalls_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Error("syscalls_gen.go is stale: run go generate ./oci/seccomp")
	}
}
