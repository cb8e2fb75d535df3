// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"crisp/test/build"
	"crisp/test/isolate"
	"crisp/test/lane"
	"crisp/test/leak"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Println("skipped: engines need root")
		return
	}
	prepare := func() error {
		_, err := build.Busybox(context.Background())
		return err
	}
	os.Exit(isolate.Run(prepare, func() int {
		// Engines keep sockets and locks in /run, whatever directories they are told.
		if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
			fmt.Fprintln(os.Stderr, "mount a /run of the test's own:", err)
			return 1
		}
		if err := os.Mkdir(stateDir, 0o700); err != nil { // it stays when the last container goes
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}))
}

// stateDir is where crisp-oci keeps what it knows of containers.
const stateDir = "/run/crisp-oci"

// An engine is a program that runs containers by an OCI runtime.
type engine struct {
	t       *testing.T
	dir     string // all that it keeps
	cgroup  string // containers are below it
	runtime string
	command []string            // the program and the flags for all its commands
	user    *syscall.Credential // who runs it; nil: root
}

// newEngine skips the test where the program is not installed, and looks for leaks at its end.
func newEngine(t *testing.T, program string) *engine {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed", program)
	}
	e := &engine{t: t, command: []string{path}}
	if e.runtime, err = build.OCIRuntime(); err != nil {
		t.Fatal(err)
	}
	if e.dir, err = os.MkdirTemp("", "e"); err != nil {
		t.Fatal(err)
	}
	conf := "[containers]\n"
	if os.Getenv("OCI_RUNTIME") != "" { // others than crisp-oci cannot go without CAP_SYS_RESOURCE
		conf += "default_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n"
	}
	if err := os.WriteFile(e.path("containers.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	e.cgroup = "/crisp-" + filepath.Base(e.dir)
	scope := leak.Scope{Ancestor: isolate.Outer(), Cgroup: e.cgroup, Dirs: []string{stateDir}}
	before, err := leak.Take(scope)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lane.RemoveCgroups(e.cgroup); err != nil { // the parent, which the engine asked for
			t.Error(err)
		}
		if err := lane.UnmountBelow(e.dir); err != nil { // storage that engines hold mounted
			t.Error(err)
		}
		if err := os.RemoveAll(stateDir + "/@seccomp"); err != nil { // compiled profiles, which are kept
			t.Error(err)
		}
		if err := lane.Leaks(context.Background(), scope, before); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(e.dir); err != nil {
			t.Error(err)
		}
	})
	return e
}

func (e *engine) path(name string) string { return filepath.Join(e.dir, name) }

// patience bounds one command of an engine.
const patience = 60 * time.Second

// try runs a command of the engine and returns both outputs.
func (e *engine) try(args ...string) (stdout, stderr string, err error) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.command[0], append(e.command[1:len(e.command):len(e.command)], args...)...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+e.path("containers.conf"), "TMPDIR="+e.dir, "XDG_RUNTIME_DIR=/run")
	if e.user != nil {
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + e.path("home"), "XDG_RUNTIME_DIR=" + e.path("run"), "CONTAINERS_CONF=" + e.path("containers.conf")}
		cmd.Dir, cmd.SysProcAttr = e.path("home"), &syscall.SysProcAttr{Credential: e.user}
	}
	// Files: podman without root leaves a process behind that holds them.
	out, errs := e.file("out"), e.file("err")
	defer out.Close()
	defer errs.Close()
	cmd.Stdout, cmd.Stderr = out, errs
	err = cmd.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return e.content(out), e.content(errs), err
}

func (e *engine) file(name string) *os.File {
	e.t.Helper()
	f, err := os.CreateTemp(e.dir, name)
	if err != nil {
		e.t.Fatal(err)
	}
	return f
}

func (e *engine) content(f *os.File) string {
	e.t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		e.t.Fatal(err)
	}
	return string(b)
}

// run is try for a command that succeeds.
func (e *engine) run(args ...string) string {
	e.t.Helper()
	out, errs, err := e.try(args...)
	if err != nil {
		e.t.Fatalf("%s %s: %v\n%s%s", filepath.Base(e.command[0]), strings.Join(args, " "), err, out, errs)
	}
	return out
}

// wants runs a command and compares what it prints but for white space at both ends.
func (e *engine) wants(want string, args ...string) {
	e.t.Helper()
	if got := strings.TrimSpace(e.run(args...)); got != want {
		e.t.Errorf("%s: %q, want %q", strings.Join(args, " "), got, want)
	}
}

// fails runs a command that is to fail with a code, saying something.
func (e *engine) fails(code int, says string, args ...string) {
	e.t.Helper()
	out, errs, err := e.try(args...)
	var exit *exec.ExitError
	if !asExit(err, &exit) || exit.ExitCode() != code || !strings.Contains(out+errs, says) {
		e.t.Errorf("%s: %v, want code %d and %q\n%s%s", strings.Join(args, " "), err, code, says, out, errs)
	}
}

// eventually asks until the answer is the one that is waited for.
func (e *engine) eventually(want string, args ...string) {
	e.t.Helper()
	var got string
	for deadline := time.Now().Add(patience / 2); time.Now().Before(deadline); {
		if got = strings.TrimSpace(e.run(args...)); got == want {
			return
		}
	}
	e.t.Fatalf("%s: %q, want %q", strings.Join(args, " "), got, want)
}

func asExit(err error, target **exec.ExitError) bool {
	x, ok := err.(*exec.ExitError) //nolint:errorlint // as os/exec returns it
	*target = x
	return ok
}
