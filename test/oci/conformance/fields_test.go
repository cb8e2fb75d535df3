// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// fieldsOf lists the fields below a type by their JSON paths: "linux.resources.cpu.shares", "process.rlimits.type" (an entry of a list or
// map has no part of its own). Fields of other platforms are left out.
func fieldsOf(t reflect.Type, path string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return []string{path}
	}
	var all []string
	for f := range t.Fields() {
		if on, ok := f.Tag.Lookup("platform"); ok && !slices.Contains(strings.Split(on, ","), "linux") {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		below := path
		if !f.Anonymous {
			below = strings.TrimPrefix(path+"."+name, ".")
		}
		all = append(all, fieldsOf(f.Type, below)...)
	}
	return all
}

// TestEveryFieldHasARow: a field that the runtime spec gains fails here until a row names it.
func TestEveryFieldHasARow(t *testing.T) {
	all := fieldsOf(reflect.TypeFor[specs.Spec](), "")
	if len(all) < 140 {
		t.Fatalf("only %d fields found: %q", len(all), all)
	}
	named := map[string]bool{}
	for _, r := range allRows() {
		for _, f := range r.fields {
			named[f] = true
			if !slices.Contains(all, f) {
				t.Errorf("%s names the field %s, which config.json does not have", r.id, f)
			}
		}
	}
	for _, f := range all {
		if !named[f] {
			t.Errorf("no row names %s", f)
		}
	}
}

// TestEveryOptionHasARow: so it is with what the specification lists by value.
func TestEveryOptionHasARow(t *testing.T) {
	ids := map[string]bool{}
	for _, r := range allRows() {
		ids[r.id] = true
	}
	for prefix, names := range map[string][]string{
		"mounts.option.":      mountOptions,
		"mounts.recursive.":   recursiveOptions,
		"mounts.propagation.": sortedKeys(propagations),
		"namespaces.new.":     namespaceTypes,
		"namespaces.join.":    namespaceTypes,
		"seccomp.action.":     {"kill", "kill_process", "kill_thread", "trap", "errno", "trace", "allow", "log", "notify"},
		"seccomp.op.":         {"ne", "lt", "le", "eq", "ge", "gt", "masked_eq"},
		"memoryPolicy.":       {"default", "bind", "interleave", "weighted-interleave", "preferred", "preferred-many", "local"},
		"hooks.":              {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"},
	} {
		for _, name := range names {
			if !ids[prefix+name] {
				t.Errorf("no row %s%s", prefix, name)
			}
		}
	}
}
