// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// verdict is a run held against the list of specs that must pass.
type verdict struct {
	passed, failed, skipped int
	regressions             []string // listed, and ran, and did not pass
	gained                  []string // passed, and not listed
	failures                []spec
}

func compare(specs []spec, listed []string) verdict {
	var v verdict
	for _, s := range specs {
		must := slices.Contains(listed, s.name)
		switch {
		case !s.ran():
		case s.passed():
			v.passed++
			if !must {
				v.gained = append(v.gained, s.name)
			}
		case s.skipped():
			v.skipped++
			if must {
				v.regressions = append(v.regressions, s.name+" (skipped)")
			}
		default:
			v.failed++
			v.failures = append(v.failures, s)
			if must {
				v.regressions = append(v.regressions, s.name)
			}
		}
	}
	return v
}

// absent are the listed specs that the suite does not have any more.
func absent(specs []spec, listed []string) []string {
	return slices.DeleteFunc(slices.Clone(listed), func(name string) bool {
		return slices.ContainsFunc(specs, func(s spec) bool { return s.name == name })
	})
}

// judge prints the verdict; its error names what passed once and does not any more.
func (s suite) judge(specs []spec, list string) error {
	listed, err := readList(list)
	if err != nil {
		return err
	}
	v := compare(specs, listed)
	if s.focus == "" && s.skip == "" {
		v.regressions = append(v.regressions, absent(specs, listed)...)
	}
	for _, f := range v.failures {
		fmt.Printf("FAIL %s (%v)\n     %s\n", f.name, f.took.Round(1e6), strings.ReplaceAll(f.message, "\n", "\n     "))
	}
	for _, name := range v.gained {
		fmt.Printf("passes, but is not in passing.txt: %s\n", name)
	}
	if s.update && len(v.gained) > 0 {
		if err := writeList(list, append(listed, v.gained...)); err != nil {
			return err
		}
	}
	fmt.Printf("critest: %d listed, logs in %s\n", len(listed), s.artifacts)
	fmt.Printf("%d passed, %d failed, %d skipped\n", v.passed, v.failed, v.skipped)
	var errs []error
	for _, name := range v.regressions {
		errs = append(errs, errors.New("must pass: "+name))
	}
	return errors.Join(errs...)
}

// readList reads one name a line; empty lines and those with # do not count.
func readList(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			names = append(names, line)
		}
	}
	return names, nil
}

func writeList(path string, names []string) error {
	slices.Sort(names)
	const head = "# Specs of critest v1.36.0 that must pass, one name a line. `go run ./test/critest -update` adds to it.\n"
	return os.WriteFile(path, []byte(head+strings.Join(names, "\n")+"\n"), 0o644)
}
