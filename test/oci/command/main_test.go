// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crisp/oci/generate"
	"crisp/test/build"
	"crisp/test/images"
	"crisp/test/isolate"
	"crisp/test/lane"
	"crisp/test/leak"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// place is what all tests share.
var place struct {
	runtime string
	peer    bool   // it is not crisp-oci
	rootfs  string // busybox
	unified bool   // cgroup v2 alone
}

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Println("skipped: containers need root")
		return
	}
	prepare := func() error {
		_, err := build.Busybox(context.Background())
		return err
	}
	os.Exit(isolate.Run(prepare, func() int {
		code, err := 1, setUp()
		if err == nil {
			code = m.Run()
		}
		if err = errors.Join(err, os.RemoveAll(filepath.Dir(place.rootfs))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}))
}

func setUp() error {
	dir, err := os.MkdirTemp("", "oc")
	if err != nil {
		return err
	}
	place.rootfs = filepath.Join(dir, "rootfs")
	_, err = os.Stat("/sys/fs/cgroup/cgroup.controllers")
	place.unified = err == nil
	place.peer = os.Getenv("OCI_RUNTIME") != ""
	if place.runtime, err = build.OCIRuntime(); err != nil {
		return err
	}
	busybox, err := build.Busybox(context.Background())
	if err != nil {
		return err
	}
	files, err := images.Root(busybox, nil)
	if err != nil {
		return err
	}
	layer, err := images.NewLayer(files, images.Plain)
	if err != nil {
		return err
	}
	if err := os.Mkdir(place.rootfs, 0o755); err != nil {
		return err
	}
	tar := exec.Command("tar", "-C", place.rootfs, "-x")
	tar.Stdin = bytes.NewReader(layer.Data)
	if out, err := tar.CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w: %s", err, out)
	}
	return os.Chmod(dir, 0o755)
}

// A bench is a root directory of the runtime's, and a cgroup.
type bench struct {
	*testing.T
	dir    string
	cgroup string
	count  int
}

// newBench looks for leaks at the end of the test.
func newBench(t *testing.T) *bench {
	t.Helper()
	dir, err := os.MkdirTemp("", "oc")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, dir: dir, cgroup: "/crisp-" + filepath.Base(dir)}
	if err := os.Mkdir(b.state(), 0o700); err != nil {
		t.Fatal(err)
	}
	scope := leak.Scope{Ancestor: isolate.Outer(), Cgroup: b.cgroup, Dirs: []string{b.state()}}
	before, err := leak.Take(scope)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lane.RemoveCgroups(b.cgroup); err != nil { // the parent of the containers'
			t.Error(err)
		}
		if err := lane.Leaks(context.Background(), scope, before); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) state() string { return filepath.Join(b.dir, "state") }

// A container is a bundle with an ID.
type container struct{ id, bundle string }

// bundle makes a bundle whose workload is a shell command. It is deleted at the end, whatever has become of it.
func (b *bench) bundle(script string, change ...func(*specs.Spec)) container {
	b.Helper()
	b.count++
	c := container{id: fmt.Sprintf("c%d", b.count)}
	c.bundle = filepath.Join(b.dir, c.id)
	s := generate.Default(place.unified)
	s.Root.Path, s.Root.Readonly = place.rootfs, true
	s.Process.Terminal, s.Process.Args, s.Process.Rlimits = false, []string{"/bin/sh", "-c", script}, nil
	s.Linux.CgroupsPath = b.cgroup + "/" + c.id
	for _, f := range change {
		f(s)
	}
	text, err := json.Marshal(s)
	if err == nil {
		err = os.Mkdir(c.bundle, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(c.bundle, "config.json"), text, 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { b.do("delete", "--force", c.id) })
	return c
}

// waiting is a workload that runs until it is told to end, with code 3, or killed.
const waiting = `trap 'exit 3' TERM; while :; do sleep 1 & wait; done`

// running makes a container that runs.
func (b *bench) running(script string, change ...func(*specs.Spec)) container {
	b.Helper()
	c := b.bundle(script, change...)
	b.ok("run", "--detach", "--bundle", c.bundle, c.id)
	return c
}

func terminal(s *specs.Spec) { s.Process.Terminal = true }

// result is what became of a command.
type result struct {
	code      int
	out, errs string
}

func (r result) String() string { return fmt.Sprintf("exit %d\n%s%s", r.code, r.out, r.errs) }

// patience bounds a command, and every wait.
const patience = 2 * time.Minute

// command makes a command of the runtime. Its output goes to files, which containers may hold open for as long as they like.
func (b *bench) command(args ...string) *exec.Cmd {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	b.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, place.runtime, append([]string{"--root", b.state()}, args...)...)
	cmd.Stdout, cmd.Stderr = b.file(), b.file()
	return cmd
}

func (b *bench) file() *os.File {
	b.Helper()
	f, err := os.CreateTemp(b.dir, "output")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return f
}

// finish waits for a command that was started.
func (b *bench) finish(cmd *exec.Cmd) result {
	b.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.Fatalf("%v: %v", cmd.Args, err)
	}
	if !cmd.ProcessState.Exited() {
		b.Fatalf("%v: %v", cmd.Args, err)
	}
	return result{cmd.ProcessState.ExitCode(), b.text(cmd.Stdout), b.text(cmd.Stderr)}
}

// text is what a file of a command holds by now.
func (b *bench) text(w any) string {
	b.Helper()
	f, ok := w.(*os.File)
	if !ok || filepath.Dir(f.Name()) != b.dir {
		return ""
	}
	text, err := os.ReadFile(f.Name())
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

func (b *bench) run(cmd *exec.Cmd) result {
	b.Helper()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return b.finish(cmd)
}

func (b *bench) do(args ...string) result {
	b.Helper()
	return b.run(b.command(args...))
}

// ok is do for a command that succeeds, and returns what it printed.
func (b *bench) ok(args ...string) string {
	b.Helper()
	r := b.do(args...)
	if r.code != 0 {
		b.Fatalf("%s: %v", strings.Join(args, " "), r)
	}
	return r.out
}

// fails runs a command that is to fail with a code, saying something.
func (b *bench) fails(code int, says string, args ...string) {
	b.Helper()
	if r := b.do(args...); r.code != code || !strings.Contains(r.out+r.errs, says) {
		b.Errorf("%s: %v\nwant exit %d and %q", strings.Join(args, " "), r, code, says)
	}
}

// status asks until a container is in a state.
func (b *bench) status(c container, want string) {
	b.Helper()
	var got specs.State
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err := json.Unmarshal([]byte(b.ok("state", c.id)), &got); err != nil {
			b.Fatal(err)
		}
		if string(got.Status) == want {
			return
		}
	}
	b.Fatalf("%s is %s, not %s", c.id, got.Status, want)
}

// until asks until the answer is there.
func until[V any](b *bench, what string, ask func() (V, bool)) V {
	b.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if v, ok := ask(); ok {
			return v
		}
	}
	b.Fatalf("no %s within %v", what, patience)
	panic("unreachable")
}

// newer skips for a runtime that is not ours and lacks something.
func (b *bench) newer(what string, has bool) {
	b.Helper()
	if place.peer && !has {
		b.Skipf("%s: %s", place.runtime, what)
	}
}

// knows says whether a command has a flag.
func (b *bench) knows(command, flag string) bool {
	b.Helper()
	return strings.Contains(b.ok(command, "--help"), flag)
}
