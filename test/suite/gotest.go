// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// event is a line of `go test -json` (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// goTest runs `go test -json`, prints the output of what fails, and counts top-level tests; a package that fails without a failing
// test (it does not compile, its TestMain found a leak) counts as one.
func goTest(ctx context.Context, env []string, args ...string) (tally, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Env, cmd.Stderr = append(os.Environ(), env...), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return tally{}, err
	}
	if err := cmd.Start(); err != nil {
		return tally{}, err
	}
	t, err := countEvents(out, os.Stdout)
	if err != nil {
		return t, err
	}
	if err := cmd.Wait(); err != nil && t.failed == 0 {
		return t, fmt.Errorf("go test: %w", err)
	}
	return t, nil
}

// countEvents reads the events of a run and writes what failed to w.
func countEvents(r io.Reader, w io.Writer) (tally, error) {
	t := tally{why: map[string]int{}}
	output := map[string]string{} // package, or package and top-level test → what it printed
	failed := map[string]int{}    // package → failed tests
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(w, lines.Text()) // the go command's own words
			continue
		}
		name, _, sub := strings.Cut(e.Test, "/")
		key := strings.TrimSuffix(e.Package+" "+name, " ")
		switch {
		case e.Action == "output" || e.Action == "build-output":
			output[key] += e.Output
		case sub:
		case e.Action == "pass" && e.Test != "":
			t.passed++
		case e.Action == "skip" && e.Test != "":
			t.skipped++
			t.why[skipReason(output[key])]++
		case e.Action == "fail" && e.Test != "":
			t.failed++
			failed[e.Package]++
			fmt.Fprintf(w, "FAIL %s\n%s", key, output[key])
		case e.Action == "fail" && failed[e.Package] == 0:
			t.failed++
			fmt.Fprintf(w, "FAIL %s\n%s%s", key, output[""], output[key])
		}
	}
	return t, lines.Err()
}

// skipReason is the text of t.Skip, without the place: "    x_test.go:12: needs root".
func skipReason(output string) string {
	for line := range strings.Lines(output) {
		if _, text, ok := strings.Cut(line, ".go:"); ok {
			if _, reason, ok := strings.Cut(text, ": "); ok {
				return strings.TrimSpace(reason)
			}
		}
	}
	return "no reason given"
}
