// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Distribution is the CNCF's registry, version 3, built from its module.
func Distribution(ctx context.Context) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "test", "tools", "distribution")
	sum, err := hash(filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum"), filepath.Join(dir, "main.go"))
	if err != nil {
		return "", err
	}
	return program{dir: dir, args: []string{"build", "."}}.make(ctx, filepath.Join(root, "test", ".cache", "distribution-"+sum))
}

// DockerRegistry is the registry of Debian's package docker-registry, version 2, which is downloaded and unpacked but not installed.
func DockerRegistry(ctx context.Context) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "test", ".cache", "docker-registry")
	path := filepath.Join(dir, "usr", "bin", "docker-registry")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := unpackPackage(ctx, "docker-registry", dir); err != nil {
		return "", fmt.Errorf("docker-registry: %w", err)
	}
	return path, nil
}
