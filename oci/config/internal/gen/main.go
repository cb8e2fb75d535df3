// SPDX-License-Identifier: Apache-2.0

// Command gen writes oci/config/decode_gen.go, which reads a config.json into the types of the runtime spec. Run it by `go generate
// ./oci/config`; a test there fails when its output is stale.
package main

import (
	"fmt"
	"os"
	"reflect"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen FILE")
		os.Exit(2)
	}
	g := newGenerator()
	g.add(reflect.TypeFor[specs.Spec]())
	text, err := g.file()
	if err == nil {
		err = os.WriteFile(os.Args[1], text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
