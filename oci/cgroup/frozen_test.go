// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Whoever is made in a frozen cgroup stands still before its first instruction, and its maker waits for it.
func TestCreateRefusesAFrozenCgroup(t *testing.T) {
	eachMode(t, func(t *testing.T, m *Manager) {
		c := newCgroup(t, m, nil)
		frozen := 0
		for _, h := range m.hierarchies {
			for name, states := range map[string][2]string{"cgroup.freeze": {"1", "0"}, "freezer.state": {"FROZEN", "THAWED"}} {
				path := filepath.Join(h.dir, c.path, name)
				if _, err := os.Lstat(path); err != nil {
					continue
				}
				frozen++
				if err := os.WriteFile(path, []byte(states[0]), 0); err != nil {
					t.Fatal(err)
				}
				if _, err := m.Create(c.Path(), nil); !errors.Is(err, ErrFrozen) {
					t.Errorf("%s: %v", path, err)
				}
				if err := os.WriteFile(path, []byte(states[1]), 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		if frozen == 0 {
			t.Error("nothing can be frozen here")
		}
		if _, err := m.Create(c.Path(), nil); err != nil {
			t.Error(err)
		}
	})
}
