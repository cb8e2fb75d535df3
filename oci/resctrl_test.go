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

func TestUpdateOfResctrl(t *testing.T) {
	b := newBench(t)
	root := t.TempDir()
	b.runtime.resctrlRoot = root
	class := filepath.Join(root, "gold")
	if err := os.Mkdir(class, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"schemata", "gold/schemata", "gold/tasks"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("L3:0=fff\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := b.spec("wait")
	s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "gold"}
	k := b.running(s)
	if made, err := k.UpdateResctrl("L3:0=f\n", "MB:0=50"); made != nil || err != nil {
		t.Fatalf("%v, %v", made, err)
	}
	group, all, err := k.Schemata()
	if want := "L3:0=f\n\nMB:0=50\n"; err != nil || group != want || all != "L3:0=fff\n" {
		t.Errorf("%q, %q, %v", group, all, err)
	}
	// A directory is not filled with files: for a container without a group one is made, and then its file is missing.
	none := b.running(b.spec("wait"))
	if made, err := none.UpdateResctrl("", ""); made != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, %v", made, err)
	}
	if left, err := os.ReadDir(root); err != nil || len(left) != 2 {
		t.Errorf("left of what failed: %v %v", left, err)
	}
	if group, all, err := none.Schemata(); group+all != "" || err != nil {
		t.Errorf("%q, %q, %v", group, all, err)
	}
}
