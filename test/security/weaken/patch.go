// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"regexp"
	"strings"
)

// A weakening is a patch with a head:
//
//	Test: TestMasksAreTheHosts            the test that must fail
//	Package: ./oci                        where it is, when not in ./test/security
//	CVE: CVE-2025-31133                   what it is about
//	Fails: is of the image                a regular expression for a line of the failure
//	Why: one line on what the defence was
//	Slow: why it takes more than seconds  left out by -quick
//	--- a/oci/masks.go
//	+++ b/oci/masks.go
//	@@
//	 context
//	-gone
//	+instead
//
// Hunks have no line numbers: the lines with " " and "-" must be in the file exactly once, one after the other.
type weakening struct {
	name, test, pkg, cve, why string
	fails                     *regexp.Regexp
	slow                      bool
	hunks                     []hunk

	seen string
	err  error
}

type hunk struct{ file, old, new string }

func parse(name, text string) (weakening, error) {
	w := weakening{name: name, pkg: "./test/security"}
	head, body, ok := strings.Cut(text, "\n--- ")
	if !ok {
		return w, fmt.Errorf("no line with ---")
	}
	if err := w.readHead(head); err != nil {
		return w, err
	}
	for _, file := range strings.Split(body, "\n--- ") {
		if err := w.readFile(file); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *weakening) readHead(head string) (err error) {
	for line := range strings.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "Test":
			w.test = value
		case "Package":
			w.pkg = value
		case "CVE":
			w.cve = value
		case "Why":
			w.why = value
		case "Slow":
			w.slow = true
		case "Fails":
			if w.fails, err = regexp.Compile(value); err != nil {
				return err
			}
		default:
			return fmt.Errorf("line %q in the head", line)
		}
	}
	if w.test == "" || w.cve == "" || w.why == "" || w.fails == nil {
		return fmt.Errorf("the head needs Test, CVE, Fails and Why")
	}
	return nil
}

// readFile reads the hunks of one file, from behind its "--- ".
func (w *weakening) readFile(text string) error {
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n")+"\n", "\n")
	if len(lines) < 4 || !strings.HasPrefix(lines[1], "+++ b/") || !strings.HasPrefix(lines[2], "@@") {
		return fmt.Errorf("after --- must come +++ b/FILE and @@")
	}
	file := strings.TrimSpace(strings.TrimPrefix(lines[1], "+++ b/"))
	var h *hunk
	for _, l := range lines[2:] {
		switch {
		case l == "":
		case l[0] == '@':
			w.hunks = append(w.hunks, hunk{file: file})
			h = &w.hunks[len(w.hunks)-1]
		case l[0] == ' ', l == "\n":
			l = strings.TrimPrefix(l, " ")
			h.old += l
			h.new += l
		case l[0] == '-':
			h.old += l[1:]
		case l[0] == '+':
			h.new += l[1:]
		default:
			return fmt.Errorf("line %q in a hunk", l)
		}
	}
	return nil
}

// apply returns the file with the hunk in it.
func (h hunk) apply(text string) (string, error) {
	at := "\n" + text
	if n := occurrences(at, "\n"+h.old); n != 1 {
		return "", fmt.Errorf("the patch is stale: what it replaces is %d times in %s: %q", n, h.file, h.old)
	}
	return strings.Replace(at, "\n"+h.old, "\n"+h.new, 1)[1:], nil
}

// occurrences counts those that overlap too: the newline that ends one begins the next.
func occurrences(text, part string) (n int) {
	for i := 0; ; n++ {
		at := strings.Index(text[i:], part)
		if at < 0 {
			return n
		}
		i += at + 1
	}
}
