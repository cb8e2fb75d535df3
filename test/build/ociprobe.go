// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// OCIProbe is the C program that tells what a container's process sees. It is made as crisp-conmon is: static, by musl-gcc or gcc.
func OCIProbe(ctx context.Context) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	source := filepath.Join(root, "test", "oci", "snapshot", "probe", "probe.c")
	sum, err := hash(source)
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "test", ".cache", "ociprobe-"+sum)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	compiler, err := exec.LookPath("musl-gcc")
	if err != nil {
		compiler = "gcc"
	}
	part := fmt.Sprintf("%s.%d", path, os.Getpid())
	cmd := exec.CommandContext(ctx, compiler, "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Os", "-static", "-s", "-o", part, source)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the probe: %w\n%s", err, out)
	}
	return path, os.Rename(part, path)
}
