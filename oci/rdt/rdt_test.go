// SPDX-License-Identifier: Apache-2.0

package rdt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// fake is a directory that behaves as a resctrl file system, for machines without RDT: new groups have files, and are removed with them.
// What its files cannot do is refuse a schema.
type fake struct {
	*FS
	t      *testing.T
	path   string
	writes []string // into files schemata
}

const freshSchemata = "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n"

func newFake(t *testing.T) *fake {
	t.Helper()
	dir := t.TempDir()
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	k := &fake{FS: f, t: t, path: dir}
	write := f.set
	f.set = func(name, text string) error {
		k.writes = append(k.writes, text)
		return write(name, text)
	}
	f.mkdir = k.makeGroup
	f.rmdir = func(name string) error {
		if _, err := os.Stat(k.at(name)); err != nil {
			return err
		}
		return os.RemoveAll(k.at(name))
	}
	k.fill(".")
	for name, text := range map[string]string{"info/last_cmd_status": "ok\n", "info/MB/bandwidth_gran": "10\n"} {
		if err := os.MkdirAll(filepath.Dir(k.at(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		k.set(name, text)
	}
	return k
}

func (k *fake) at(name string) string { return filepath.Join(k.path, name) }

func (k *fake) set(name, text string) {
	k.t.Helper()
	if err := os.WriteFile(k.at(name), []byte(text), 0o644); err != nil {
		k.t.Fatal(err)
	}
}

func (k *fake) get(name string) string {
	k.t.Helper()
	b, err := os.ReadFile(k.at(name))
	if err != nil {
		k.t.Fatal(err)
	}
	return string(b)
}

func (k *fake) makeGroup(name string, mode os.FileMode) error {
	if err := os.Mkdir(k.at(name), mode); err != nil {
		return err
	}
	k.fill(name)
	return nil
}

func (k *fake) fill(group string) {
	k.t.Helper()
	k.set(filepath.Join(group, "tasks"), "")
	if filepath.Base(filepath.Dir(group)) == "mon_groups" {
		return
	}
	k.set(filepath.Join(group, "schemata"), "")
	if err := os.Mkdir(k.at(filepath.Join(group, "mon_groups")), 0o755); err != nil {
		k.t.Fatal(err)
	}
}

// class makes a class before the container.
func (k *fake) class(name, schemata string) {
	k.t.Helper()
	if err := k.makeGroup(name, 0o755); err != nil {
		k.t.Fatal(err)
	}
	k.set(name+"/schemata", schemata)
}

func (k *fake) exists(name string) bool {
	_, err := os.Stat(k.at(name))
	return err == nil
}

func (k *fake) make(c specs.LinuxIntelRdt) *Group {
	k.t.Helper()
	g, err := k.Make("c1", &c)
	if err != nil {
		k.t.Fatal(err)
	}
	return g
}

// enter does what a process does.
func (k *fake) enter(c specs.LinuxIntelRdt) {
	k.t.Helper()
	for _, name := range TaskFiles("c1", &c) {
		f, err := k.OpenTasks(name)
		if err == nil {
			_, err = f.WriteString("0")
			f.Close()
		}
		if err != nil {
			k.t.Error(err)
		}
	}
}

func TestClassWithoutAnIDIsTheContainers(t *testing.T) {
	k := newFake(t)
	c := specs.LinuxIntelRdt{L3CacheSchema: "L3:0=7f0;1=1f", MemBwSchema: "MB:0=20;1=70", Schemata: []string{"L2:0=f", "L3:0=f"}}
	g := k.make(c)
	if want := []string{"L3:0=7f0;1=1f\n", "MB:0=20;1=70\n", "L2:0=f\nL3:0=f\n"}; !slices.Equal(k.writes, want) {
		t.Errorf("written %q", k.writes)
	}
	k.enter(c)
	if got := k.get("c1/tasks"); got != "0" {
		t.Errorf("tasks %q", got)
	}
	for range 2 {
		if err := g.Remove(); err != nil {
			t.Error(err)
		}
	}
	if k.exists("c1") {
		t.Error("the directory stays")
	}
}

func TestClassThatIsThereMustAgree(t *testing.T) {
	for name, c := range map[string]struct {
		config specs.LinuxIntelRdt
		err    error
	}{
		"nothing asked":          {specs.LinuxIntelRdt{}, nil},
		"the same":               {specs.LinuxIntelRdt{L3CacheSchema: "L3:0=7ff;1=7ff", MemBwSchema: "MB:0=100;1=100"}, nil},
		"leading zeros":          {specs.LinuxIntelRdt{L3CacheSchema: "L3:0=07FF"}, nil},
		"one domain":             {specs.LinuxIntelRdt{L3CacheSchema: "L3:1=7ff"}, nil},
		"rounded by the kernel":  {specs.LinuxIntelRdt{MemBwSchema: "MB:0=91"}, nil},
		"another mask":           {specs.LinuxIntelRdt{L3CacheSchema: "L3:0=7fe"}, ErrMismatch},
		"another bandwidth":      {specs.LinuxIntelRdt{MemBwSchema: "MB:0=90"}, ErrMismatch},
		"a domain it has not":    {specs.LinuxIntelRdt{L3CacheSchema: "L3:2=7ff"}, ErrMismatch},
		"a resource it has not":  {specs.LinuxIntelRdt{L3CacheSchema: "L3CODE:0=7ff"}, ErrMismatch},
		"not a schema":           {specs.LinuxIntelRdt{L3CacheSchema: "L3"}, ErrSchema},
		"written without asking": {specs.LinuxIntelRdt{Schemata: []string{"L3:0=1"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			k := newFake(t)
			k.class("gold", freshSchemata)
			c.config.ClosID = "gold"
			g, err := k.Make("c1", &c.config)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			want := freshSchemata
			if c.config.Schemata != nil {
				want = "L3:0=1\n" + freshSchemata[len("L3:0=1\n"):] // a real file has no end that is left over
			}
			if got := k.get("gold/schemata"); got != want {
				t.Errorf("schemata %q", got)
			}
			if err != nil {
				return
			}
			k.enter(c.config)
			if got := k.get("gold/tasks"); got != "0" {
				t.Errorf("tasks %q", got)
			}
			if err := g.Remove(); err != nil || !k.exists("gold") {
				t.Errorf("a class with an ID must stay: %v", err)
			}
		})
	}
}

func TestClassThatIsMissing(t *testing.T) {
	k := newFake(t)
	if _, err := k.Make("c1", &specs.LinuxIntelRdt{ClosID: "gold"}); !errors.Is(err, ErrNoClass) {
		t.Errorf("without a schema: %v", err)
	}
	if k.exists("gold") {
		t.Error("it was made")
	}
	g := k.make(specs.LinuxIntelRdt{ClosID: "gold", Schemata: []string{"L3:0=f"}})
	if got := k.get("gold/schemata"); got != "L3:0=f\n" {
		t.Errorf("schemata %q", got)
	}
	if err := g.Remove(); err != nil || !k.exists("gold") {
		t.Errorf("a class with an ID must stay: %v", err)
	}
	if err := k.Undo(g); err != nil || k.exists("gold") {
		t.Errorf("of a container that is not to be, nothing may stay: %v", err)
	}
	k.class("gold", "")
	if err := k.Undo(k.make(specs.LinuxIntelRdt{ClosID: "gold", Schemata: []string{"L3:0=f"}})); err != nil || !k.exists("gold") {
		t.Errorf("what was there before must stay: %v", err)
	}
}

func TestDefaultClassIsTheRoot(t *testing.T) {
	k := newFake(t)
	c := specs.LinuxIntelRdt{ClosID: "/", EnableMonitoring: true}
	g := k.make(c)
	k.enter(c)
	if k.get("tasks") != "0" || k.get("mon_groups/c1/tasks") != "0" || k.get("schemata") != "" {
		t.Error("not in the root")
	}
	if err := g.Remove(); err != nil || k.exists("mon_groups/c1") || !k.exists("tasks") {
		t.Errorf("removal: %v", err)
	}
}

func TestMonitoringGroup(t *testing.T) {
	k := newFake(t)
	k.class("gold", freshSchemata)
	c := specs.LinuxIntelRdt{ClosID: "gold", EnableMonitoring: true}
	k.make(c)
	k.enter(c)
	if k.get("gold/tasks") != "0" || k.get("gold/mon_groups/c1/tasks") != "0" {
		t.Error("not in both")
	}
	if _, err := k.Make("c1", &c); !errors.Is(err, ErrExists) {
		t.Errorf("a second one: %v", err)
	}
	again, err := k.Group("c1", &c) // another process of the runtime
	if err == nil {
		err = again.Remove()
	}
	if err != nil || k.exists("gold/mon_groups/c1") || !k.exists("gold") {
		t.Errorf("removal: %v", err)
	}
}

func TestNothingIsLeftOfAFailure(t *testing.T) {
	k := newFake(t)
	k.class("c1", freshSchemata)
	if _, err := k.Make("c1", &specs.LinuxIntelRdt{}); !errors.Is(err, ErrExists) || !k.exists("c1") {
		t.Errorf("a directory of somebody else: %v", err)
	}
	for name, config := range map[string]specs.LinuxIntelRdt{
		"own": {Schemata: []string{"L3:0=f"}}, "named": {ClosID: "silver", L3CacheSchema: "L3:0=f", EnableMonitoring: true},
	} {
		t.Run(name, func(t *testing.T) {
			k := newFake(t)
			k.set("info/last_cmd_status", "Mask 0 is not contiguous\n")
			k.mkdir = func(name string, mode os.FileMode) error {
				err := k.makeGroup(name, mode)
				return errors.Join(err, os.Remove(k.at(name+"/schemata")))
			}
			_, err := k.Make("c2", &config)
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("error %v", err)
			}
			if k.exists("c2") || k.exists("silver") {
				t.Error("the directory stays")
			}
		})
	}
	k = newFake(t)
	k.set("info/last_cmd_status", "Out of RMIDs\n")
	groups := k.mkdir
	k.mkdir = func(name string, mode os.FileMode) error {
		if strings.Contains(name, "mon_groups") {
			return unix.ENOSPC
		}
		return groups(name, mode)
	}
	_, err := k.Make("c1", &specs.LinuxIntelRdt{EnableMonitoring: true})
	if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "Out of RMIDs") || k.exists("c1") {
		t.Errorf("no monitoring group left: %v", err)
	}
}

func TestCheck(t *testing.T) {
	for field, c := range map[string]specs.LinuxIntelRdt{
		"":              {ClosID: "gold", L3CacheSchema: "L3:0=f", MemBwSchema: "MB:0=10", Schemata: []string{"L2:0=f"}, EnableMonitoring: true},
		"closID":        {ClosID: "a/b"},
		"memBwSchema":   {MemBwSchema: "L3:0=10"},
		"l3CacheSchema": {L3CacheSchema: "L3:0=1\nMB:0=10"},
		"schemata[1]":   {Schemata: []string{"L3:0=1", "L3:0=1\n"}},
	} {
		var told []string
		Check(&c, func(field, _ string) { told = append(told, field) })
		if want := strings.Fields(field); !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	}
	for _, name := range []string{"..", ".", "info", "mon_groups", "x/y", "a\nb", strings.Repeat("x", 256)} {
		told := false
		Check(&specs.LinuxIntelRdt{ClosID: name}, func(string, string) { told = true })
		if !told {
			t.Errorf("closID %q is taken", name)
		}
		if _, err := newFake(t).Group("c1", &specs.LinuxIntelRdt{ClosID: name}); err == nil {
			t.Errorf("closID %q is used", name)
		}
		if _, err := newFake(t).Group(name, &specs.LinuxIntelRdt{}); err == nil {
			t.Errorf("container ID %q is used", name)
		}
	}
}

func TestFindReadsMountinfo(t *testing.T) {
	if _, err := Find(strings.NewReader("22 1 0:20 / / rw - ext4 /dev/vda rw\n")); !errors.Is(err, ErrNotMounted) {
		t.Errorf("no resctrl: %v", err)
	}
	// Something else lies over it: the directory is not a resctrl file system.
	over := "22 1 0:20 / / rw - ext4 /dev/vda rw\n30 22 0:30 / " + t.TempDir() + " rw - resctrl resctrl rw\n"
	if _, err := Find(strings.NewReader(over)); !errors.Is(err, ErrNotMounted) {
		t.Errorf("covered: %v", err)
	}
}

func TestThisMachine(t *testing.T) {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	defer mounts.Close()
	f, err := Find(mounts)
	if errors.Is(err, ErrNotMounted) {
		t.Skip("this machine has no resctrl file system: groups are tested against a directory that behaves like one")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := f.Make("crisp-rdt-test", &specs.LinuxIntelRdt{})
	if err != nil {
		t.Skip("no class of service is free: ", err)
	}
	file, err := f.OpenTasks(TaskFiles("crisp-rdt-test", &specs.LinuxIntelRdt{})[0])
	if err == nil {
		file.Close()
	}
	if err := errors.Join(err, g.Remove()); err != nil {
		t.Error(err)
	}
}

func FuzzParseSchemata(f *testing.F) {
	f.Add(freshSchemata)
	f.Add("L3CODE:0=fffff;1=fffff\nL3DATA:0=fffff\n    MB:0=2048\nSMBA:0=8;1=2048\n")
	f.Add("L3:0=\n")
	f.Add(":\n=\n;")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSchemata(text)
		if err != nil {
			if !errors.Is(err, ErrSchema) {
				t.Errorf("error %v", err)
			}
			return
		}
		last := map[string]string{} // a resource that stands twice counts as it stands last
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				resource, _, err := parseSchema(line)
				if err != nil {
					t.Fatal(err)
				}
				last[resource] = line
			}
		}
		for _, line := range last {
			if err := s.agrees(line, 0); err != nil {
				t.Errorf("%q does not agree with itself: %v", line, err)
			}
		}
	})
}
