// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// patience bounds every command.
const patience = 60 * time.Second

// A bench is a runtime with a state directory of its own.
type bench struct {
	testing.TB
	runtime runtime
	dir     string
}

func newBench(t testing.TB, r runtime) *bench {
	t.Helper()
	b := &bench{TB: t, runtime: r, dir: t.TempDir()}
	t.Cleanup(func() {
		if left, _ := filepath.Glob(filepath.Join(b.dir, "state", "c*")); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
	return b
}

var containers int

// bundle makes a bundle whose workload is the probe. change may change its configuration.
func (b *bench) bundle(profile *specs.LinuxSeccomp, change func(*specs.Spec), args ...string) (dir, id string) {
	b.Helper()
	containers++
	id = fmt.Sprintf("c%d", containers)
	dir = filepath.Join(b.dir, id)
	rootfs := filepath.Join(dir, "rootfs")
	if err := os.MkdirAll(filepath.Join(rootfs, "proc"), 0o755); err != nil {
		b.Fatal(err)
	}
	program, err := os.ReadFile(place.probe)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(rootfs, "probe"), program, 0o755); err != nil {
		b.Fatal(err)
	}
	s := &specs.Spec{
		Version: "1.0.2", Root: &specs.Root{Path: "rootfs"}, Hostname: "probe",
		Process: &specs.Process{Args: append([]string{"/probe"}, args...), Cwd: "/", NoNewPrivileges: true, Capabilities: &specs.LinuxCapabilities{}},
		Mounts:  []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc"}},
		Linux: &specs.Linux{CgroupsPath: place.cgroup + "/" + id, Seccomp: profile, Namespaces: []specs.LinuxNamespace{
			{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
		}},
	}
	if change != nil {
		change(s)
	}
	text, err := json.Marshal(s)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o644); err != nil {
		b.Fatal(err)
	}
	return dir, id
}

// result is what became of a command.
type result struct {
	code      int
	out, errs string
}

func (r result) String() string { return fmt.Sprintf("exit %d, %q, %q", r.code, r.out, r.errs) }

// command runs the runtime. Its output goes to files, which containers hold open for as long as they run.
func (b *bench) command(args ...string) result {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.runtime.path, append([]string{"--root", filepath.Join(b.dir, "state")}, args...)...)
	var files [2]*os.File
	for i := range files {
		f, err := os.CreateTemp(b.dir, "output")
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	cmd.Stdout, cmd.Stderr = files[0], files[1]
	if err := cmd.Run(); cmd.ProcessState == nil || ctx.Err() != nil {
		b.Fatalf("%v: %v", args, err)
	}
	text := func(f *os.File) string {
		t, err := os.ReadFile(f.Name())
		if err != nil {
			b.Fatal(err)
		}
		return string(t)
	}
	return result{cmd.ProcessState.ExitCode(), text(files[0]), text(files[1])}
}

// ok demands success.
func (b *bench) ok(args ...string) result {
	b.Helper()
	r := b.command(args...)
	if r.code != 0 {
		b.Fatalf("%v: %v", args, r)
	}
	return r
}

// run runs the probe under a profile and returns what it prints.
func (b *bench) run(profile *specs.LinuxSeccomp, change func(*specs.Spec), args ...string) string {
	b.Helper()
	dir, id := b.bundle(profile, change, args...)
	return b.ok("run", "--bundle", dir, id).out
}

// delete deletes a container in any state.
func (b *bench) delete(id string) {
	b.Helper()
	b.ok("delete", "--force", id)
}
