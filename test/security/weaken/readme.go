// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	begin = "<!-- written by: go run ./test/security/weaken -record -->\n"
	end   = "<!-- end -->\n"
)

// place is the file and line of a failure, which change with every edit.
var place = regexp.MustCompile(`^\w+\.go:\d+: `)

// writeReadme replaces the rows of what was tried in the table of the README.
func writeReadme(path string, all []weakening) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(data), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return errors.New("test/security/README.md has no table to write")
	}
	rows := map[string]string{}
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) > 4 && strings.HasPrefix(strings.TrimSpace(cells[3]), "[") {
			name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(cells[3]), "["), "]")
			rows[name] = line
		}
	}
	for _, w := range all {
		if w.err == nil {
			rows[w.name] = w.row()
		}
	}
	names := make([]string, 0, len(rows))
	for name := range rows {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(rows[a], rows[b]) })
	var b strings.Builder
	b.WriteString(before + begin + "| about | test | weakening | what it takes away | seen to fail |\n|---|---|---|---|---|\n")
	for _, name := range names {
		b.WriteString(rows[name])
	}
	b.WriteString(end + after)
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func (w *weakening) row() string {
	seen := strings.ReplaceAll(place.ReplaceAllString(w.seen, ""), "|", "\\|")
	if len(seen) > 160 {
		seen = seen[:160] + "…"
	}
	test := w.test
	if w.pkg != "./test/security" {
		test += " (" + strings.TrimPrefix(w.pkg, "./") + ")"
	}
	return fmt.Sprintf("| %s | %s | [%s](weakened/%s.patch) | %s | %s: `%s` |\n",
		w.cve, test, w.name, w.name, w.why, time.Now().Format(time.DateOnly), strings.ReplaceAll(seen, "`", "'"))
}
