// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crisp/test/build"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A bundle is a container's, and a root for crisp-oci.
type bundle struct {
	testing.TB
	dir, program, id string
	spec             *specs.Spec
}

// needSystemd skips where systemd has not booted.
func needSystemd(t testing.TB) {
	t.Helper()
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		t.Skip("systemd is not this host's init: ", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("asking the host's systemd for scopes needs root")
	}
}

func newBundle(t testing.TB, args ...string) *bundle {
	t.Helper()
	b := newBundleWithoutSystemd(t, args...)
	t.Cleanup(func() {
		if r := b.oci("delete", "--force", b.id); r.err != nil {
			t.Error("delete: ", r)
		}
		b.nothingLeft()
	})
	return b
}

func newBundleWithoutSystemd(t testing.TB, args ...string) *bundle {
	t.Helper()
	program, err := build.OCIRuntime()
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{TB: t, dir: t.TempDir(), program: program, id: fmt.Sprintf("t%d-%d", os.Getpid(), time.Now().UnixNano())}
	b.must(os.Mkdir(filepath.Join(b.dir, "rootfs"), 0o755))
	b.must(b.run("spec", "--bundle", b.dir).err)
	text, err := os.ReadFile(filepath.Join(b.dir, "config.json"))
	b.must(err)
	b.must(json.Unmarshal(text, &b.spec))
	b.spec.Process.Args, b.spec.Process.Terminal, b.spec.Annotations = args, false, map[string]string{}
	for _, dir := range []string{"/bin", "/lib", "/lib64", "/usr"} { // the host's programs
		if _, err := os.Stat(dir); err == nil {
			b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: dir, Type: "bind", Source: dir, Options: []string{"rbind", "ro"}})
		}
	}
	b.spec.Linux.CgroupsPath = "crisp-test.slice:crisp:" + b.id
	return b
}

func (b *bundle) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bundle) write() {
	b.Helper()
	text, err := json.Marshal(b.spec)
	b.must(err)
	b.must(os.WriteFile(filepath.Join(b.dir, "config.json"), text, 0o644))
}

func (b *bundle) unit() string { return "crisp-" + b.id + ".scope" }

func (b *bundle) cgroup() string { return "/crisp.slice/crisp-test.slice/" + b.unit() }

// A result is what a command did.
type result struct {
	stdout, stderr string
	err            error
}

func (r result) String() string { return fmt.Sprintf("%v\n%s%s", r.err, r.stdout, r.stderr) }

func (b *bundle) command(args ...string) *exec.Cmd {
	return exec.Command(b.program, append([]string{"--root", filepath.Join(b.dir, "run")}, args...)...)
}

// run keeps what is printed in files: a detached container has them too, and a pipe would be waited for.
func (b *bundle) run(args ...string) result {
	b.Helper()
	var files [2]*os.File
	for i, name := range []string{"stdout", "stderr"} {
		f, err := os.Create(filepath.Join(b.dir, name))
		b.must(err)
		defer f.Close()
		files[i] = f
	}
	c := b.command(args...)
	c.Stdout, c.Stderr = files[0], files[1]
	err := c.Run()
	stdout, err1 := os.ReadFile(files[0].Name())
	stderr, err2 := os.ReadFile(files[1].Name())
	b.must(errors.Join(err1, err2))
	return result{string(stdout), string(stderr), err}
}

// oci runs a command as an engine does that has asked for systemd's cgroups.
func (b *bundle) oci(args ...string) result {
	return b.run(append([]string{"--systemd-cgroup"}, args...)...)
}

func (b *bundle) create() result {
	b.Helper()
	b.write()
	return b.oci("create", "--bundle", b.dir, b.id)
}

func (b *bundle) running() {
	b.Helper()
	if r := b.create(); r.err != nil {
		b.Fatal("create: ", r)
	}
	if r := b.oci("start", b.id); r.err != nil {
		b.Fatal("start: ", r)
	}
}

func (b *bundle) state() specs.State {
	b.Helper()
	r := b.oci("state", b.id)
	b.must(r.err)
	var s specs.State
	b.must(json.Unmarshal([]byte(r.stdout), &s))
	return s
}

func systemctl(args ...string) result {
	out, err := exec.Command("systemctl", args...).CombinedOutput()
	return result{stdout: string(out), err: err}
}

func (b *bundle) show(property string) string {
	b.Helper()
	r := systemctl("show", "--value", "-p", property, b.unit())
	if r.err != nil {
		b.Fatal("systemctl: ", r)
	}
	return strings.TrimSpace(r.stdout)
}

func (b *bundle) file(name string) string {
	b.Helper()
	text, err := os.ReadFile("/sys/fs/cgroup" + b.cgroup() + "/" + name)
	b.must(err)
	return strings.TrimSpace(string(text))
}

// nothingLeft: no unit, no cgroup, no record.
func (b *bundle) nothingLeft() {
	b.Helper()
	if got := b.show("LoadState"); got != "not-found" {
		b.Error(b.unit(), " is left: ", got)
	}
	if _, err := os.Stat("/sys/fs/cgroup" + b.cgroup()); err == nil {
		b.Error(b.cgroup(), " is left")
	}
	if left, _ := os.ReadDir(filepath.Join(b.dir, "run")); len(left) > 0 {
		b.Error("records are left: ", left)
	}
}

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); {
		if time.Now().After(deadline) {
			t.Fatal("never happened: ", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
