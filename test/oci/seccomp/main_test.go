// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"crisp/test/build"
	"crisp/test/isolate"
	"crisp/test/lane"
)

// place is what all tests share.
var place struct {
	runtimes []runtime // the one under test first, then runc, if it is there
	noRunc   string    // why it is not
	probe    string
	cgroup   string // above the cgroups of all containers
}

// A runtime is a program with runc's command line.
type runtime struct{ name, path string }

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		os.Exit(m.Run()) // each test skips, and says why
	}
	var runc string
	prepare := func() (err error) {
		if _, err = build.SeccompProbe(context.Background()); err != nil {
			return err
		}
		runc, place.noRunc = theRunc()
		return nil
	}
	os.Exit(isolate.Run(prepare, func() int {
		code := 1
		err := setUp(runc)
		if err == nil {
			code = m.Run()
		}
		if err = errors.Join(err, lane.RemoveCgroups(place.cgroup)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}))
}

// theRunc is $RUNC, runc's module built with libseccomp, or an installed one.
func theRunc() (path, why string) {
	if path := os.Getenv("RUNC"); path != "" {
		return path, ""
	}
	path, err := build.Runc(context.Background())
	if err == nil && filepath.Base(path)[:len("runc-seccomp")] == "runc-seccomp" {
		return path, ""
	}
	if found, lookErr := exec.LookPath("runc"); lookErr == nil {
		return found, ""
	}
	return "", fmt.Sprintf("no runc with libseccomp to compare with: %v", err)
}

func setUp(runc string) error {
	place.cgroup = fmt.Sprintf("/crisp-seccomp-%d", os.Getpid())
	ours, err := build.OCIRuntime()
	if err != nil {
		return err
	}
	place.runtimes = []runtime{{"crisp-oci", ours}}
	if runc == "" { // prepare ran in another process
		runc, place.noRunc = theRunc()
	}
	if runc != "" {
		place.runtimes = append(place.runtimes, runtime{"runc", runc})
	}
	place.probe, err = build.SeccompProbe(context.Background())
	return err
}

// each runs a test with every runtime.
func each(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	needsRoot(t)
	for _, r := range place.runtimes {
		t.Run(r.name, func(t *testing.T) { test(t, newBench(t, r)) })
	}
	if place.noRunc != "" {
		t.Run("runc", func(t *testing.T) { t.Skip(place.noRunc) })
	}
}

func needsRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("makes containers: needs root")
	}
}
