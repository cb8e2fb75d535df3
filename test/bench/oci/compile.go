// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os/exec"
)

//go:embed programs/launcher.c
var launcherSource []byte

//go:embed programs/workload.c
var workloadSource []byte

// compile makes a static program of C, by musl-gcc where it is: the smaller, the less it disturbs what is measured.
func compile(ctx context.Context, source []byte, path string) error {
	cc := "gcc"
	if _, err := exec.LookPath("musl-gcc"); err == nil {
		cc = "musl-gcc"
	}
	cmd := exec.CommandContext(ctx, cc, "-O2", "-Wall", "-static", "-s", "-x", "c", "-o", path, "-")
	cmd.Stdin = bytes.NewReader(source)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile %s: %w\n%s", path, err, out)
	}
	return nil
}
