// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

const ownCgroups = "9:name=systemd:/user.slice\n4:memory:/a b:c\n1:cpu,cpuacct:/\n3:pids:/../x\n2:freezer:/..\n0::/user.slice/me\n"

func TestOwnCgroupIsFoundByController(t *testing.T) {
	for controller, want := range map[string]string{
		"name=systemd": "/user.slice", "memory": "/a b:c", "cpu": "/", "cpuacct": "/", "": "/user.slice/me",
		"pids": "", "freezer": "", "cpuset": "", "systemd": "", // out of the namespace, or not there
	} {
		if got, ok := PathIn(ownCgroups, controller); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", controller, got, ok)
		}
	}
}

func FuzzPathIn(f *testing.F) {
	f.Add(ownCgroups, "memory")
	f.Add("::\n0::/", "")
	f.Fuzz(func(t *testing.T, text, controller string) {
		p, ok := PathIn(text, controller)
		if ok != strings.HasPrefix(p, "/") || strings.HasPrefix(p, "/../") || p == "/.." || !strings.Contains(text, p) {
			t.Errorf("%q, %v", p, ok)
		}
	})
}

func TestRootMakesCgroupsAtTheTop(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("looks for what root may: needs root")
	}
	m, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if at, err := m.Place("x"); err != nil || at.Path != "/x" || at.Hierarchies != nil {
		t.Errorf("%+v, %v", at, err)
	}
}

// TestWithoutHierarchiesThereAreNoCgroups: what asks for limits is refused, all else goes well.
func TestWithoutHierarchiesThereAreNoCgroups(t *testing.T) {
	m, err := New(Config{Only: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if names := m.Hierarchies(); len(names) > 0 || m.Mode() != V1 {
		t.Errorf("%v, %s", names, m.Mode())
	}
	c, err := m.Create("/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if j, err := c.Join(); err != nil || j.Dir != nil || len(j.Tasks) > 0 {
		t.Errorf("join: %+v, %v", j, err)
	}
	if _, err := m.Open("/x"); err != nil {
		t.Error(err)
	}
	if _, err := c.Pids(); err != ErrNone { //nolint:errorlint // as it is
		t.Errorf("pids: %v", err)
	}
	if err := c.Kill(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Remove(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := m.Create("/x", &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(1 << 20))}}); err == nil || !strings.Contains(err.Error(), "memory") {
		t.Errorf("a limit: %v", err)
	}
}

func TestHierarchiesAreChosenByName(t *testing.T) {
	all, err := New(Config{})
	if err != nil {
		t.Skip("no cgroups here: ", err)
	}
	defer all.Close()
	names := all.Hierarchies()
	if len(names) == 0 {
		t.Skip("cgroup v2 has one hierarchy")
	}
	m, err := New(Config{Only: names[:1]})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got := m.Hierarchies(); !slices.Equal(got, names[:1]) || m.Mode() != V1 {
		t.Errorf("%v, %s", got, m.Mode())
	}
}
