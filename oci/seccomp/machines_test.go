// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// machines are all, by GOARCH.
var machines = func() map[string]machine {
	files, err := filepath.Glob("tables/*.txt")
	if err != nil || len(files) == 0 {
		panic("no tables")
	}
	all := map[string]machine{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		goarch := strings.TrimSuffix(filepath.Base(file), ".txt")
		m, ok := machineOf(goarch)
		if !ok {
			panic("no machine for " + file)
		}
		m.table = parseTable(string(text))
		all[goarch] = m
	}
	return all
}()

// TestTablesAreWhole: each ABI has the calls that every one has, each number once, and a name for nothing else.
func TestTablesAreWhole(t *testing.T) {
	for goarch, m := range machines {
		if !slices.IsSortedFunc(m.table, func(a, b syscall) int { return strings.Compare(a.name, b.name) }) {
			t.Errorf("%s: not sorted", goarch)
		}
		for i, a := range append([]abi{m.native}, m.foreign...) {
			if a.column != i {
				t.Errorf("%s %s: column %d", goarch, a.name, a.column)
			}
			for _, name := range []string{"read", "execve", "openat2", "futex", "mseal", "landlock_restrict_self", "file_setattr"} {
				if nr, ok := a.number(m.table.lookup(name)); !ok || nr < a.first {
					t.Errorf("%s %s: no %s", goarch, a.name, name)
				}
			}
			seen := map[uint32]string{}
			for j := range m.table {
				nr, ok := a.number(&m.table[j])
				if other := seen[nr]; ok && other != "" && !sameCall(other, m.table[j].name) {
					t.Errorf("%s %s: %s and %s are %d", goarch, a.name, other, m.table[j].name, nr)
				}
				if ok {
					seen[nr] = m.table[j].name
				}
			}
			if len(seen) < 300 {
				t.Errorf("%s %s: %d calls only", goarch, a.name, len(seen))
			}
		}
		for _, a := range m.foreign {
			if a.big != m.native.big {
				t.Errorf("%s: %s has another byte order", goarch, a.name)
			}
		}
	}
}

// sameCall says whether two names are of one call.
func sameCall(a, b string) bool {
	pairs := []string{"arm_sync_file_range sync_file_range2"}
	return slices.Contains(pairs, a+" "+b) || slices.Contains(pairs, b+" "+a)
}

// TestFeaturesNameTheArchitectures that a machine has.
func TestFeaturesNameTheArchitectures(t *testing.T) {
	for goarch := range machines {
		for _, a := range Architectures(goarch) {
			if !KnownArchitecture(a) {
				t.Errorf("%s: %s", goarch, a)
			}
		}
	}
	if a := Architectures("vax"); a != nil {
		t.Errorf("vax has %v", a)
	}
}
