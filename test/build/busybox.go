// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Busybox is $BUSYBOX, or the binary of Debian's package busybox, which is downloaded and unpacked but not installed, or the
// machine's own. busybox-static will not do: its shell runs applets by itself, which one critest spec tests.
func Busybox(ctx context.Context) (string, error) {
	if path := os.Getenv("BUSYBOX"); path != "" {
		return path, nil
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "test", ".cache", "busybox")
	path := filepath.Join(dir, "bin", "busybox")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := unpackPackage(ctx, "busybox", dir); err == nil {
		return path, nil
	} else if own, lookErr := exec.LookPath("busybox"); lookErr == nil {
		return own, nil
	} else {
		return "", fmt.Errorf("busybox: %w (set BUSYBOX to a binary)", err)
	}
}

// unpackPackage unpacks a package of Debian's archive into dir. The package lists may be missing or old: then they are
// fetched once.
func unpackPackage(ctx context.Context, name, dir string) error {
	download, err := os.MkdirTemp("", "crisp-deb-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(download)
	fetch := func() error { return run(ctx, download, "apt-get", "download", "-q", name) }
	if err := fetch(); err != nil {
		if err := run(ctx, download, "apt-get", "update", "-q"); err != nil {
			return err
		}
		if err := fetch(); err != nil {
			return err
		}
	}
	files, err := filepath.Glob(filepath.Join(download, "*.deb"))
	if err != nil || len(files) != 1 {
		return fmt.Errorf("apt-get download %s: %d files, not one (%v)", name, len(files), err)
	}
	return run(ctx, download, "dpkg-deb", "-x", files[0], dir)
}

func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return nil
}
