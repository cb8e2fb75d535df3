// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"slices"
	"testing"
)

const report = `[{"SpecReports": [
  {"LeafNodeType": "BeforeSuite", "State": "passed"},
  {"ContainerHierarchyTexts": ["[k8s.io] A", "b"], "LeafNodeText": "c", "LeafNodeType": "It", "State": "passed", "RunTime": 1500000000},
  {"ContainerHierarchyTexts": ["[k8s.io] A"], "LeafNodeText": "d", "LeafNodeType": "It", "State": "failed",
   "Failure": {"Message": "no", "Location": {"FileName": "x.go", "LineNumber": 7}}},
  {"ContainerHierarchyTexts": ["e"], "LeafNodeText": "f", "LeafNodeType": "It", "State": "skipped", "Failure": {"Message": "no AppArmor"}},
  {"ContainerHierarchyTexts": ["g"], "LeafNodeText": "benchmark", "LeafNodeType": "It", "State": "skipped"},
  {"LeafNodeType": "AfterSuite", "State": "panicked", "Failure": {"Message": "boom"}}
]}]`

func parsed(t *testing.T) []spec {
	t.Helper()
	specs, err := parseReport([]byte(report))
	if err != nil {
		t.Fatal(err)
	}
	return specs
}

func TestReportGivesNamesStatesAndReasons(t *testing.T) {
	specs := parsed(t)
	var names []string
	for _, s := range specs {
		names = append(names, s.state+" "+s.name)
	}
	want := []string{"passed [k8s.io] A b c", "failed [k8s.io] A d", "skipped e f", "skipped g benchmark", "panicked AfterSuite"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	if got := specs[1].message; got != "x.go:7: no" {
		t.Errorf("message %q", got)
	}
}

func TestListedSpecThatFailsOrIsSkippedIsARegression(t *testing.T) {
	v := compare(parsed(t), []string{"[k8s.io] A d", "e f", "g benchmark", "absent"})
	if v.passed != 1 || v.failed != 2 || v.skipped != 1 {
		t.Errorf("%d passed, %d failed, %d skipped", v.passed, v.failed, v.skipped)
	}
	if want := []string{"[k8s.io] A d", "e f (skipped)"}; !slices.Equal(v.regressions, want) {
		t.Errorf("regressions %q, want %q", v.regressions, want)
	}
	if want := []string{"[k8s.io] A b c"}; !slices.Equal(v.gained, want) {
		t.Errorf("gained %q, want %q", v.gained, want)
	}
}

func TestListedSpecThatIsGoneIsNoticed(t *testing.T) {
	if got := absent(parsed(t), []string{"[k8s.io] A b c", "renamed"}); !slices.Equal(got, []string{"renamed"}) {
		t.Errorf("absent %q", got)
	}
}

func TestListIsReadAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	if err := writeList(path, []string{"b", "a"}); err != nil {
		t.Fatal(err)
	}
	got, err := readList(path)
	if err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%q, %v", got, err)
	}
}
