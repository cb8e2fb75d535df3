// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"path/filepath"
)

// Containerd is containerd's daemon, built from its module without the snapshotters that need C libraries.
func Containerd(ctx context.Context) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "test", "tools", "containerd")
	sum, err := hash(filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum"))
	if err != nil {
		return "", err
	}
	args := []string{"build", "-tags=no_btrfs,no_devmapper,no_zfs", "github.com/containerd/containerd/v2/cmd/containerd"}
	return program{dir: dir, args: args}.make(ctx, filepath.Join(root, "test", ".cache", "containerd-"+sum))
}
