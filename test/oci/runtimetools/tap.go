// SPDX-License-Identifier: Apache-2.0

package runtimetools

import (
	"regexp"
	"strings"
)

// verdict is what a program said.
type verdict struct {
	ok     int
	failed []string // lines that begin with "not ok", errors outside of assertions
}

var (
	assertion = regexp.MustCompile(`^(not )?ok \d+( |$)`)
	diagnosis = regexp.MustCompile(`^\s*"error": "(.+)",?$`)
)

// parseTAP reads the Test Anything Protocol as tap-go writes it:
//
//	TAP version 13
//	ok 1 - text
//	  ---
//	  { "error": "…" }      of the assertion above, or of the program when there is none
//	  ...
//	1..1
func parseTAP(out string) verdict {
	var v verdict
	asserted := false
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		switch m := assertion.FindStringSubmatch(line); {
		case m != nil && m[1] == "":
			v.ok, asserted = v.ok+1, true
		case m != nil:
			v.failed, asserted = append(v.failed, line), true
		case !asserted && diagnosis.MatchString(line):
			v.failed = append(v.failed, strings.TrimSpace(line))
		}
	}
	return v
}
