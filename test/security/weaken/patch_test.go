// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"crisp/test/build"
)

const sample = `Test: TestX
CVE: CVE-1
Fails: broken
Why: a reason
--- a/f.go
+++ b/f.go
@@
 one
-two
+2
@@
-four
`

func TestHunksReplaceLines(t *testing.T) {
	w, err := parse("sample", sample)
	if err != nil {
		t.Fatal(err)
	}
	text := "one\ntwo\nthree\nfour\n"
	for _, h := range w.hunks {
		if text, err = h.apply(text); err != nil {
			t.Fatal(err)
		}
	}
	if text != "one\n2\nthree\n" {
		t.Errorf("got %q", text)
	}
	if _, err := w.hunks[0].apply("one\ntwo\none\ntwo\n"); err == nil {
		t.Error("a hunk that fits twice was applied")
	}
	if _, err := w.hunks[0].apply("one\n2\n"); err == nil {
		t.Error("a stale hunk was applied")
	}
}

func TestJudgeWantsTheForeseenFailure(t *testing.T) {
	w, err := parse("sample", sample)
	if err != nil {
		t.Fatal(err)
	}
	for out, want := range map[string]bool{
		"    x_test.go:1: broken thing\n--- FAIL: TestX (0.1s)\n": true,
		"    x_test.go:1: no such file\n--- FAIL: TestX (0.1s)\n": false,
		"    x_test.go:1: broken thing\n--- PASS: TestX (0.1s)\n": false,
		"--- SKIP: TestX (0.1s)\n    x_test.go:1: broken\n":       false,
	} {
		if _, err := w.judge(out); (err == nil) != want {
			t.Errorf("%q: %v", out, err)
		}
	}
}

// TestWeakeningsFit holds the patches against the tree: one that no longer fits proves nothing.
func TestWeakeningsFit(t *testing.T) {
	root, err := build.Root()
	if err != nil {
		t.Fatal(err)
	}
	all, err := readAll(filepath.Join(root, "test/security/weakened"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range all {
		files := map[string]string{}
		for _, h := range w.hunks {
			if _, read := files[h.file]; !read {
				data, err := os.ReadFile(filepath.Join(root, h.file))
				if err != nil {
					t.Fatal(err)
				}
				files[h.file] = string(data)
			}
			text, err := h.apply(files[h.file])
			if err != nil {
				t.Errorf("%s: %v", w.name, err)
				continue
			}
			files[h.file] = text
		}
	}
}
