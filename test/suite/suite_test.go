// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"
)

const events = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"fine\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB/sub","Output":"    b_test.go:3: wrong\n"}
{"Action":"fail","Package":"p","Test":"TestB/sub"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:9: needs root: it mounts\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"fail","Package":"p"}
{"Action":"output","Package":"q","Output":"leaked fd 7\n"}
{"Action":"fail","Package":"q"}
{"Action":"skip","Package":"no-tests"}
`

func TestTopLevelTestsAndBrokenPackagesAreCounted(t *testing.T) {
	var out strings.Builder
	got, err := countEvents(strings.NewReader(events), &out)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != "1 passed, 2 failed, 1 skipped" {
		t.Errorf("counted %v", got)
	}
	if got.why["needs root: it mounts"] != 1 {
		t.Errorf("reasons %v", got.why)
	}
	for _, want := range []string{"FAIL p TestB\n    b_test.go:3: wrong", "FAIL q\nleaked fd 7"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, &out)
		}
	}
	if strings.Contains(out.String(), "fine") {
		t.Error("the output of a passing test is shown")
	}
}

func TestFuzzersAreFoundWithTheirPackage(t *testing.T) {
	list := `{"Action":"output","Package":"p","Output":"FuzzA\n"}` + "\n" +
		`{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}` + "\n" + `{"Action":"pass","Package":"p"}` + "\n"
	if got := fuzzers([]byte(list)); !slices.Equal(got, []fuzzer{{"p", "FuzzA"}}) {
		t.Errorf("found %v", got)
	}
}

func TestUnknownStepIsAnError(t *testing.T) {
	if _, err := choose(steps(), "vet,typo"); err == nil {
		t.Error("no error")
	}
}
