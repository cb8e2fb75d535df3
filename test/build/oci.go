// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// OCIRuntime is the OCI runtime under test: $OCI_RUNTIME, or bin/crisp-oci, which `make build` makes.
func OCIRuntime() (string, error) {
	if path := os.Getenv("OCI_RUNTIME"); path != "" {
		return filepath.Abs(path)
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "bin", "crisp-oci")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("crisp-oci's binary: %w (run `make build`, or set OCI_RUNTIME)", err)
	}
	return path, nil
}

// ConformanceProbe is the program that the containers of test/oci/conformance run. Static, as their root file systems are empty.
func ConformanceProbe(ctx context.Context) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	sources, err := filepath.Glob(filepath.Join(root, "test", "oci", "conformance", "probe", "*.go"))
	if err != nil {
		return "", err
	}
	sum, err := hash(sources...)
	if err != nil {
		return "", err
	}
	p := program{dir: root, args: []string{"build", "./test/oci/conformance/probe"}}
	return p.make(ctx, filepath.Join(root, "test", ".cache", "probe-"+sum))
}

const runtimeTools = "github.com/opencontainers/runtime-tools"

// RuntimeTools is a directory with the validation programs of opencontainers/runtime-tools and what these look for in the
// directory that they run in: runtimetest and the archive of a root file system.
func RuntimeTools(ctx context.Context) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	module := filepath.Join(root, "test", "oci", "runtimetools", "programs")
	sum, err := hash(filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum"))
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "test", ".cache", "runtimetools-"+sum)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	part := fmt.Sprintf("%s.%d", dir, os.Getpid())
	if err := os.MkdirAll(part, 0o755); err != nil {
		return "", err
	}
	defer os.RemoveAll(part) // renamed when all went well
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", part+"/",
		runtimeTools+"/validation/...", runtimeTools+"/cmd/runtimetest")
	cmd.Dir, cmd.Env = module, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build runtime-tools: %w\n%s", err, out)
	}
	cmd = exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", runtimeTools)
	cmd.Dir = module
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find runtime-tools: %w", err)
	}
	archives, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "rootfs-*.tar.gz"))
	if err != nil {
		return "", err
	}
	for _, a := range archives {
		data, err := os.ReadFile(a)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(part, filepath.Base(a)), data, 0o644); err != nil {
			return "", err
		}
	}
	return dir, os.Rename(part, dir)
}
