// SPDX-License-Identifier: Apache-2.0

// Command gen writes the Go side of conmon/src/protocol.h: conmon/protocol_gen.go and conmon/plan/protocol_gen.go.
// Run it by `go generate ./conmon`; a test in package conmon fails when its output is stale.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"crisp/conmon/internal/gen/header"
)

func main() {
	dir := "."
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if err := run(dir); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	src, err := os.ReadFile(filepath.Join(dir, "src", "protocol.h"))
	if err != nil {
		return err
	}
	files, err := header.Generate(src)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
