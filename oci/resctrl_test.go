// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"crisp/oci/rdt"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A directory stands for resctrl: no machine that the tests run on has RDT. What the kernel makes of the files is not tested, but that
// the process writes "0", itself, into the right ones does not depend on it.
func TestProcessesEnterTheirResctrlGroup(t *testing.T) {
	b := newBench(t)
	root := t.TempDir()
	b.runtime.resctrlRoot = root
	tasks := filepath.Join(root, "gold", "tasks")
	if err := os.Mkdir(filepath.Dir(tasks), 0o755); err != nil {
		t.Fatal(err)
	}
	entered := func(what string) {
		t.Helper()
		if text, err := os.ReadFile(tasks); err != nil || string(text) != "0" {
			t.Errorf("%s: tasks %q, %v", what, text, err)
		}
		if err := os.WriteFile(tasks, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(tasks, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := b.spec("wait")
	s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "gold"}
	k := b.running(s)
	entered("container")
	if out, x := k.exec(s.Process, "exit", "0"); x.Code != 0 {
		t.Errorf("exit %+v: %s", x, out)
	}
	entered("exec")

	s = b.spec("wait")
	s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "silver"}
	if _, err := b.tryCreate(s); !errors.Is(err, rdt.ErrNoClass) {
		t.Errorf("a class that is not there: %v", err)
	}
	// A directory is not filled with files: the group is made, and then its file is missing.
	s.Linux.IntelRdt = &specs.LinuxIntelRdt{}
	if _, err := b.tryCreate(s); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a group without files: %v", err)
	}
	left, err := os.ReadDir(root)
	if err != nil || len(left) != 1 || left[0].Name() != "gold" {
		t.Errorf("left of what failed: %v %v", left, err)
	}
}

func TestResctrlMustBeMounted(t *testing.T) {
	b := newBench(t)
	s := b.spec("wait")
	s.Linux.IntelRdt = &specs.LinuxIntelRdt{}
	if _, err := b.tryCreate(s); !errors.Is(err, rdt.ErrNotMounted) {
		if err == nil {
			t.Skip("this machine has resctrl")
		}
		t.Errorf("error %v", err)
	}
}
