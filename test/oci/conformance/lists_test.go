// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bufio"
	"os"
	"regexp"
	"strings"
	"testing"
)

// exception is a line of notyet.txt or peers.txt.
type exception struct{ runtime, lane, row, why string }

// readExceptions reads lines "RUNTIME LANE ROW REASON"; LANE may be "both".
func readExceptions(t *testing.T, file string) []exception {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []exception
	for lines := bufio.NewScanner(f); lines.Scan(); {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		words := strings.SplitN(text, " ", 4)
		if len(words) != 4 || words[1] != "v1" && words[1] != "v2" && words[1] != "both" {
			t.Fatalf("%s: %q is not RUNTIME LANE ROW REASON", file, text)
		}
		all = append(all, exception{words[0], words[1], words[2], words[3]})
	}
	return all
}

// lists: what crisp-oci does not do yet, and what runc and crun skip or do otherwise.
var lists = []string{"notyet.txt", "peers.txt"}

// exceptions of the runtime under test on this host, by row.
func exceptions(t *testing.T) map[string]string {
	t.Helper()
	runtime := place.peer
	if runtime == "" {
		runtime = "crisp-oci"
	}
	why := map[string]string{}
	for _, file := range lists {
		for _, e := range readExceptions(t, file) {
			if runtime == e.runtime && (e.lane == "both" || e.lane == laneHere()) {
				why[e.row] = e.why
			}
		}
	}
	return why
}

// TestListsNameRows: a line about a row that does not exist, or twice about one, hides something.
func TestListsNameRows(t *testing.T) {
	rows := map[string]bool{}
	for _, r := range allRows() {
		if rows[r.id] {
			t.Errorf("two rows are called %s", r.id)
		}
		rows[r.id] = true
	}
	seen := map[string]bool{}
	for _, file := range lists {
		for _, e := range readExceptions(t, file) {
			if !rows[e.row] {
				t.Errorf("%s: there is no row %s", file, e.row)
			}
			if key := e.runtime + " " + e.lane + " " + e.row; seen[key] {
				t.Errorf("%s: %s is there twice", file, key)
			} else {
				seen[key] = true
			}
		}
	}
}

func allRows() []row {
	var all []row
	for _, group := range tables() {
		for _, table := range group {
			all = append(all, table.rows...)
		}
	}
	return all
}

func regexpQuote(text string) string { return regexp.QuoteMeta(text) }
