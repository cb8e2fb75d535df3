// SPDX-License-Identifier: Apache-2.0

package rootless

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"crisp/test/build"
	"crisp/test/images"
	"crisp/test/isolate"

	"golang.org/x/sys/unix"
)

// The user, and the IDs that it has by /etc/subuid and /etc/subgid.
const (
	uid      = 1000
	firstSub = 300_000
	subs     = 65536
)

// withoutTools is why mappings of several IDs cannot be tested here; "" where they can.
var withoutTools string

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Println("skipped: makes users, mounts and cgroups: needs root")
		return
	}
	prepare := func() error {
		_, err := build.Busybox(context.Background())
		return err
	}
	os.Exit(isolate.Run(prepare, func() int {
		dir, err := os.MkdirTemp("", "u")
		if err == nil {
			defer os.RemoveAll(dir)
			err = errors.Join(os.Chmod(dir, 0o755), enrol(dir), makeImage(dir), copyRuntime(dir))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}))
}

// enrol makes the user known, in this mount namespace.
func enrol(dir string) error {
	sub := fmt.Sprintf("ann:%d:%d\n", firstSub, subs)
	for name, text := range map[string]string{
		"passwd": fmt.Sprintf("root:x:0:0:root:/root:/bin/sh\nann:x:%d:%d::/:/bin/sh\n", uid, uid), "subuid": sub, "subgid": sub,
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
		err := unix.Mount(file, "/etc/"+name, "", unix.MS_BIND, "")
		if errors.Is(err, unix.ENOENT) {
			withoutTools = "there is no /etc/" + name
			continue
		}
		if err != nil {
			return fmt.Errorf("mount on /etc/%s: %w", name, err)
		}
	}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		withoutTools = err.Error()
	}
	return nil
}

// image is the root file system of all containers.
var image string

func makeImage(dir string) error {
	busybox, err := build.Busybox(context.Background())
	if err != nil {
		return err
	}
	files, err := images.Root(busybox, nil)
	if err != nil {
		return err
	}
	files = append(files, images.File{Name: "etc/name", Mode: 0o644, Data: []byte("box\n")})
	layer, err := images.NewLayer(files, images.Plain)
	if err != nil {
		return err
	}
	image = filepath.Join(dir, "rootfs")
	if err := os.Mkdir(image, 0o755); err != nil {
		return err
	}
	tar := exec.Command("tar", "-C", image, "-x")
	tar.Stdin = bytes.NewReader(layer.Data)
	if out, err := tar.CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w\n%s", err, out)
	}
	return nil
}

// runtime is a copy of the runtime under test, which need not lie where a user may go.
var runtime string

func copyRuntime(dir string) error {
	from, err := build.OCIRuntime()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	runtime = filepath.Join(dir, filepath.Base(from))
	return os.WriteFile(runtime, text, 0o755)
}

func needTools(t *testing.T) {
	t.Helper()
	if withoutTools != "" {
		t.Skip("IDs of /etc/subuid: ", withoutTools)
	}
}
