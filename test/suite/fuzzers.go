// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
)

// fuzzer is one fuzz test.
type fuzzer struct{ pkg, name string }

// fuzzers reads the answer of `go test -json -list=^Fuzz`: an output event for each name.
func fuzzers(list []byte) []fuzzer {
	var found []fuzzer
	for line := range bytes.Lines(list) {
		var e event
		if json.Unmarshal(line, &e) != nil || e.Action != "output" {
			continue
		}
		if name := fuzzName.FindString(e.Output); name != "" {
			found = append(found, fuzzer{e.Package, name})
		}
	}
	return found
}
