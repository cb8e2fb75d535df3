// SPDX-License-Identifier: Apache-2.0

package rootless

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"crisp/test/isolate"
	"crisp/test/lane"
	"crisp/test/leak"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A user runs commands without rights.
type user struct {
	*testing.T
	dir, runtime string
	cgroup       *delegation // nil: its commands are where the tests are
	prefix       []string    // before each command
}

// newUser looks for what the test has left behind, at its end.
func newUser(t *testing.T) *user {
	t.Helper()
	dir, err := os.MkdirTemp("", "u")
	if err != nil {
		t.Fatal(err)
	}
	u := &user{T: t, runtime: runtime, dir: dir}
	u.must(os.Chmod(dir, 0o755))
	for _, d := range []string{"home", "run"} {
		u.must(os.Mkdir(u.path(d), 0o700))
		u.must(os.Chown(u.path(d), uid, uid))
	}
	scope := leak.Scope{Ancestor: isolate.Outer(), Cgroup: cgroupName(), Dirs: []string{u.path("run")}}
	before, err := leak.Take(scope)
	u.must(err)
	t.Cleanup(func() {
		os.RemoveAll(u.path("run/crisp-oci")) // rmdir: the empty root directory may stay
		if err := lane.Leaks(context.Background(), scope, before); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	u.needNamespaces()
	return u
}

// needNamespaces skips where the kernel gives users no namespaces.
func (u *user) needNamespaces() {
	u.Helper()
	if _, errs, err := u.command("/", "unshare", "-U", "true"); err != nil {
		u.Skip("no user namespaces for users here: ", err, errs)
	}
}

func (u *user) path(name string) string { return filepath.Join(u.dir, name) }

func (u *user) must(err error) {
	u.Helper()
	if err != nil {
		u.Fatal(err)
	}
}

// patience bounds one command.
const patience = 60 * time.Second

// command runs one as the user.
func (u *user) command(dir string, args ...string) (stdout, stderr string, err error) {
	u.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args = append(u.prefix[:len(u.prefix):len(u.prefix)], args...)
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir = dir
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + u.path("home"), "XDG_RUNTIME_DIR=" + u.path("run")}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	if u.cgroup != nil {
		defer u.cgroup.enter(u, c)()
	}
	// Files: what a container keeps open is not waited for.
	out, errs := u.file("out"), u.file("err")
	defer out.Close()
	defer errs.Close()
	c.Stdout, c.Stderr = out, errs
	err = c.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return u.content(out), u.content(errs), err
}

func (u *user) file(name string) *os.File {
	u.Helper()
	f, err := os.CreateTemp(u.dir, name)
	u.must(err)
	return f
}

func (u *user) content(f *os.File) string {
	u.Helper()
	b, err := os.ReadFile(f.Name())
	u.must(err)
	return string(b)
}

// A bundle of the user's, and the container of the same name.
type bundle struct {
	*user
	name, dir string
}

// bundle makes what `crisp-oci spec --rootless` says, with a script as its workload and with changes.
func (u *user) bundle(name, script string, changes ...func(*specs.Spec)) *bundle {
	u.Helper()
	return u.bundleOf([]string{"--rootless"}, name, script, changes...)
}

func (u *user) bundleOf(flags []string, name, script string, changes ...func(*specs.Spec)) *bundle {
	u.Helper()
	b := &bundle{u, name, u.path("home/" + name)}
	u.must(os.Mkdir(b.dir, 0o755))
	if out, err := exec.Command("cp", "-a", image, filepath.Join(b.dir, "rootfs")).CombinedOutput(); err != nil {
		u.Fatalf("cp: %v\n%s", err, out)
	}
	u.must(filepath.Walk(b.dir, func(p string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, uid, uid)
	}))
	if _, errs, err := u.command(b.dir, append([]string{u.runtime, "spec"}, flags...)...); err != nil {
		u.Fatal(err, errs)
	}
	config := filepath.Join(b.dir, "config.json")
	text, err := os.ReadFile(config)
	u.must(err)
	var s specs.Spec
	u.must(json.Unmarshal(text, &s))
	s.Process.Terminal = false
	s.Process.Args = []string{"/bin/sh", "-c", script}
	s.Root.Readonly = false
	for _, change := range changes {
		change(&s)
	}
	text, err = json.Marshal(&s)
	u.must(err)
	u.must(os.WriteFile(config, text, 0o644))
	return b
}

// oci runs a command of crisp-oci.
func (b *bundle) oci(args ...string) (stdout, stderr string, err error) {
	b.Helper()
	return b.command(b.dir, append([]string{b.runtime}, args...)...)
}

// does runs a command that succeeds, and returns what it prints.
func (b *bundle) does(args ...string) string {
	b.Helper()
	out, errs, err := b.oci(args...)
	if err != nil {
		b.Fatalf("crisp-oci %s: %v\n%s%s", strings.Join(args, " "), err, out, errs)
	}
	return out
}

// prints runs the container, whose output is known.
func (b *bundle) prints(want string) {
	b.Helper()
	if got := b.does("run", b.name); got != want {
		b.Errorf("the container says %q, want %q", got, want)
	}
}

// fails runs a command that is refused, with these words.
func (b *bundle) fails(words string, args ...string) {
	b.Helper()
	out, errs, err := b.oci(args...)
	if err == nil || !strings.Contains(errs, words) {
		b.Errorf("crisp-oci %s: %v, %q: not %q", strings.Join(args, " "), err, out+errs, words)
	}
}

// running starts the container in the background until its file /started is there.
func (b *bundle) running() {
	b.Helper()
	b.does("run", "--detach", b.name)
	b.Cleanup(func() { b.does("delete", "--force", b.name) })
	b.eventually("the workload runs", func() bool {
		_, err := os.Stat(filepath.Join(b.dir, "rootfs", "started"))
		return err == nil
	})
}

// eventually polls.
func (u *user) eventually(what string, is func() bool) {
	u.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	end := time.After(patience)
	for !is() {
		select {
		case <-again.C:
		case <-end:
			u.Fatal("not in time: ", what)
		}
	}
}

// state is what crisp-oci says of the container.
func (b *bundle) state() (s specs.State) {
	b.Helper()
	b.must(json.Unmarshal([]byte(b.does("state", b.name)), &s))
	return s
}
