// SPDX-License-Identifier: Apache-2.0

package runtimetools

import "testing"

func TestVerdictOfTAP(t *testing.T) {
	tests := map[string]struct {
		out        string
		ok, failed int
	}{
		"all well":                 {"TAP version 13\nok 1 - a\nok 2 - b\n1..2\n", 2, 0},
		"one failed":               {"ok 1 - a\nnot ok 2 - b\n", 1, 1},
		"an expected error":        {"ok 1 - a\n  ---\n  {\n    \"error\": \"exit status 1\",\n  }\n  ...\n", 1, 0},
		"an error alone":           {"TAP version 13\n  ---\n  {\n    \"error\": \"hooks MUST be called\"\n  }\n  ...\n1..0\n", 0, 1},
		"nothing":                  {"TAP version 13\n1..0\n", 0, 0},
		"a diagnostic that quotes": {"ok 1 - a\n# not ok 3\n", 1, 0},
	}
	for name, test := range tests {
		if v := parseTAP(test.out); v.ok != test.ok || len(v.failed) != test.failed {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func FuzzTAP(f *testing.F) {
	f.Add("TAP version 13\nok 1 - a\nnot ok 2\n")
	f.Fuzz(func(_ *testing.T, out string) { parseTAP(out) })
}
