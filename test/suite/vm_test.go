// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// result makes what a run leaves in the guest.
func result(t *testing.T, out, code string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "0.test")
	if err := os.WriteFile(binary+".out", []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if code != "" {
		if err := os.WriteFile(binary+".code", []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return binary
}

func TestGuestResultsAreCounted(t *testing.T) {
	const out = "\x16=== RUN   TestA\n\x16--- PASS: TestA (0.00s)\n\x16=== RUN   TestB\n    b_test.go:1: no such thing\n\x16--- SKIP: TestB (0.00s)\n\x16PASS\n"
	tests := map[string]struct{ out, code, want string }{
		"all well":            {out, "0\n", "1 passed, 0 failed, 1 skipped"},
		"a leak in TestMain":  {out, "1\n", "1 passed, 1 failed, 1 skipped"},
		"the machine ended":   {out, "", "1 passed, 1 failed, 1 skipped"},
		"it never ran":        {"", "", "0 passed, 1 failed, 0 skipped"},
		"a test failed":       {"\x16=== RUN   TestA\n\x16--- FAIL: TestA (0.00s)\n\x16FAIL\n", "1\n", "0 passed, 1 failed, 0 skipped"},
		"it could not be run": {"/bin/sh: 1: x.test: not found\n", "127\n", "0 passed, 1 failed, 0 skipped"},
	}
	for name, test := range tests {
		got, err := guestRun{pkg: "p"}.count(t.Context(), "v2", result(t, test.out, test.code))
		if err != nil || got.String() != test.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if name == "all well" && got.why["in the VM: no such thing"] != 1 {
			t.Errorf("reasons %v", got.why)
		}
	}
}

func TestGuestPlansNamePackagesOnce(t *testing.T) {
	t.Chdir("../..")
	for name, plan := range map[string]func() ([]guest, error){
		"core": func() ([]guest, error) { return vmCore(t.Context()) }, "whole": func() ([]guest, error) { return vmWhole(t.Context()) },
	} {
		guests, err := plan()
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range guests {
			seen := map[string]bool{}
			var sum time.Duration
			for _, r := range g.runs {
				if seen[r.pkg] || r.timeout == 0 || filepath.IsAbs(r.pkg) {
					t.Errorf("%s, %s: %+v", name, g.name, r)
				}
				seen[r.pkg] = true
				sum = max(sum, r.timeout)
			}
			if sum >= g.timeout {
				t.Errorf("%s, %s: one run may take as long as the machine", name, g.name)
			}
		}
	}
}
