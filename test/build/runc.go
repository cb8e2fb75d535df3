// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// seccompHeader is what runc needs of libseccomp at build time.
const seccompHeader = "/usr/include/seccomp.h"

// Runc is opencontainers/runc, built from its module: with seccomp where libseccomp's headers are. It needs a C compiler.
func Runc(ctx context.Context) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "test", "tools", "runc")
	sum, err := hash(filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum"))
	if err != nil {
		return "", err
	}
	tags, kind := "", "plain"
	if _, err := os.Stat(seccompHeader); err == nil {
		tags, kind = "seccomp", "seccomp"
	}
	path := filepath.Join(root, "test", ".cache", "runc-"+kind+"-"+sum)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	part := fmt.Sprintf("%s.%d", path, os.Getpid())
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-tags", tags, "-o", part,
		"github.com/opencontainers/runc")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build runc: %w\n%s", err, out)
	}
	return path, os.Rename(part, path)
}
