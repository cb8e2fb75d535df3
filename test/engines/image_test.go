// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"crisp/test/build"
	"crisp/test/images"
)

// archive writes the root file system of the images, busybox, as a tar archive.
func archive(t *testing.T, dir string) string {
	t.Helper()
	busybox, err := build.Busybox(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	files, err := images.Root(busybox, nil)
	if err != nil {
		t.Fatal(err)
	}
	layer, err := images.NewLayer(files, images.Plain)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "image.tar")
	if err := os.WriteFile(path, layer.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rootfs unpacks the archive.
func rootfs(t *testing.T, dir string) string {
	t.Helper()
	root := filepath.Join(dir, "rootfs")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-C", root, "-xf", archive(t, dir)).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	return root
}

// waits is a workload that says two lines and ends with code 3 at SIGTERM.
const waits = `trap 'exit 3' TERM; echo one; echo two; while :; do sleep 1000 & wait; done`

func cgroupFile(name string) string {
	return fmt.Sprintf("cat /sys/fs/cgroup/%s 2>/dev/null || cat /sys/fs/cgroup/*/%s", name, name)
}
