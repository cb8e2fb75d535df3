// SPDX-License-Identifier: Apache-2.0

package rdt

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Check says what in linux.intelRdt breaks the specification: told is called with the field below intelRdt and the reason.
func Check(c *specs.LinuxIntelRdt, told func(field, reason string)) {
	if reason := checkName(c.ClosID); reason != "" && c.ClosID != "" && c.ClosID != defaultClass {
		told("closID", fmt.Sprintf("%q: %s", c.ClosID, reason))
	}
	if s := c.MemBwSchema; s != "" && !strings.HasPrefix(s, "MB:") {
		told("memBwSchema", fmt.Sprintf("%q: does not start with MB:", s))
	}
	checkLine := func(field, s string) {
		if strings.ContainsAny(s, "\n\x00") {
			told(field, fmt.Sprintf("%q: not a single line", s))
		}
	}
	checkLine("l3CacheSchema", c.L3CacheSchema)
	checkLine("memBwSchema", c.MemBwSchema)
	for i, s := range c.Schemata {
		checkLine(fmt.Sprintf("schemata[%d]", i), s)
	}
}

// defaultClass is the closID of the root.
const defaultClass = "/"

// reserved are the directories below the root that are not classes.
var reserved = []string{"info", "mon_groups", "mon_data"}

// checkName says why a name cannot be that of a directory of ours.
func checkName(name string) string {
	switch {
	case name == "" || name == "." || name == "..", strings.ContainsAny(name, "/\n\x00"):
		return "not the name of a directory"
	case slices.Contains(reserved, name):
		return "is resctrl's own"
	case len(name) > 255:
		return "too long"
	}
	return ""
}
