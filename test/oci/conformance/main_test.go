// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"crisp/test/build"
	"crisp/test/isolate"
	"crisp/test/lane"

	"golang.org/x/sys/unix"
)

// place is what all tests share.
var place struct {
	runtime string // the path of what is tested
	peer    string // its name and version when it is not crisp-oci: "runc-1.1"
	image   string // a directory with the probe, on the file system of the bundles
	cgroup  string // above the cgroups of all containers
	unified bool   // cgroup v2 alone
}

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		os.Exit(m.Run()) // tests that need no root run; the others skip, and say why
	}
	prepare := func() error {
		_, err := build.ConformanceProbe(context.Background())
		return err
	}
	os.Exit(isolate.Run(prepare, func() int {
		code := 1
		err := setUp()
		if err == nil {
			code = m.Run()
		}
		err = errors.Join(err, removeCgroups(place.cgroup), os.RemoveAll(place.image))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}))
}

func setUp() error {
	place.cgroup = fmt.Sprintf("/crisp-conformance-%d", os.Getpid())
	var err error
	if place.runtime, err = build.OCIRuntime(); err != nil {
		return err
	}
	if os.Getenv("OCI_RUNTIME") != "" {
		if place.peer, err = peerOf(place.runtime); err != nil {
			return err
		}
	}
	if place.image, err = os.MkdirTemp("", "oi"); err != nil {
		return err
	}
	// Containers of other users, and root of user namespaces, go through it.
	if err := os.Chmod(place.image, 0o755); err != nil {
		return err
	}
	probe, err := build.ConformanceProbe(context.Background())
	if err != nil {
		return err
	}
	text, err := os.ReadFile(probe)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(place.image, "probe"), text, 0o755); err != nil {
		return err
	}
	_, err = os.Stat("/sys/fs/cgroup/cgroup.controllers")
	place.unified = err == nil
	if strings.HasPrefix(place.peer, "crun") {
		// It refuses hosts with both versions of cgroups.
		if err := unix.Unmount(unifiedHierarchy, 0); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("hide the unified hierarchy from crun: %w", err)
		}
		hidden = true
	}
	return nil
}

// peerOf is the name and the version that a runtime says it has: "runc version 1.1.5+ds1" is runc-1.1.
func peerOf(runtime string) (string, error) {
	out, err := exec.Command(runtime, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", runtime, err)
	}
	m := regexp.MustCompile(`^(\S+) version (\d+\.\d+)`).FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("%s --version: %q", runtime, out)
	}
	return string(m[1]) + "-" + string(m[2]), nil
}

func removeCgroups(name string) error {
	if hidden {
		if err := os.RemoveAll(unifiedHierarchy + name); err != nil {
			return err
		}
	}
	return lane.RemoveCgroups(name)
}
