// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestSpecIsThatOfRunc: testdata has what runc 1.5.0 writes on a host with cgroup v1. Ours differs in the name of the host. On cgroup v2 both add a
// cgroup namespace.
func TestSpecIsThatOfRunc(t *testing.T) {
	b := newBench(t)
	if place.peer && !strings.Contains(b.ok("--version"), " 1.5.") {
		t.Skip("testdata is of runc 1.5")
	}
	for file, flags := range map[string][]string{"spec.json": nil, "spec-rootless.json": {"--rootless"}} {
		dir := filepath.Join(b.dir, file+".d")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		b.ok(append([]string{"spec", "--bundle", dir}, flags...)...)
		got, err := os.ReadFile(filepath.Join(dir, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		if !place.peer {
			want = []byte(strings.Replace(string(want), `"hostname": "runc"`, `"hostname": "crisp"`, 1))
		}
		if !place.unified {
			if string(got) != string(want) {
				t.Errorf("%s: %s", file, got)
			}
			continue
		}
		var g, w specs.Spec
		if err := json.Unmarshal(got, &g); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(want, &w); err != nil {
			t.Fatal(err)
		}
		own := slices.IndexFunc(w.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.MountNamespace }) + 1
		w.Linux.Namespaces = slices.Insert(w.Linux.Namespaces, own, specs.LinuxNamespace{Type: specs.CgroupNamespace})
		if !reflect.DeepEqual(g, w) {
			t.Errorf("%s: %s", file, got)
		}
		b.fails(1, "Remove it first", "spec", "--bundle", dir)
	}
}

// A person reads in the plan which programs of the host will run, and when.
func TestPlansTellOfHooks(t *testing.T) {
	b := newBench(t)
	b.newer("runc has no validate", false)
	hook := func(name string) []specs.Hook {
		path := filepath.Join(b.dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return []specs.Hook{{Path: path}}
	}
	c := b.bundle("true", func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{
			//lint:ignore SA1019 deprecated, but still in use
			Prestart: hook("first"), CreateRuntime: hook("second"), CreateContainer: hook("third"), StartContainer: hook("fourth"),
			Poststart: hook("fifth"), Poststop: hook("sixth"),
		}
	})
	r := b.do("validate", "--plan", "--bundle", c.bundle)
	at := -1
	for _, name := range []string{"first", "second", "third", "fourth", "fifth", "sixth"} {
		i := strings.Index(r.out, filepath.Join(b.dir, name))
		if i <= at {
			t.Fatalf("%s is not in its place: %v", name, r)
		}
		at = i
	}
}
