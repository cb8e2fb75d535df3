// SPDX-License-Identifier: Apache-2.0

package security

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crisp/test/security/internal/report"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// manyFiles opens descriptors of the host that the engine inherits, directories above all.
func (b *bench) manyFiles(n int) {
	b.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < uint64(2*n) {
		b.Fatalf("room for %d descriptors: %v %v", 2*n, limit, err)
	}
	for range n {
		f, err := os.Open("/")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { f.Close() })
		b.files = append(b.files, f)
	}
}

// checkFDs demands that there are 0 to 2 and the preserved ones, and nothing else.
func checkFDs(t testing.TB, where string, r report.Report, preserved int) {
	t.Helper()
	for fd, target := range r.FDs {
		if fd >= 3+preserved {
			t.Errorf("%s: descriptor %d is open on %s", where, fd, target)
		}
	}
	for fd := range 3 + preserved {
		if r.FDs[fd] == "" {
			t.Errorf("%s: descriptor %d is closed", where, fd)
		}
	}
}

// TestNoDescriptorOfTheHostIsInside: with 1,000 directories of the host open in whoever calls the engine (CVE-2024-21626).
func TestNoDescriptorOfTheHostIsInside(t *testing.T) {
	b := newBench(t)
	b.manyFiles(1000)
	t.Run("run", func(t *testing.T) {
		checkFDs(t, "run", b.bundle("look").run().report(), 0)
	})
	t.Run("run with preserved ones", func(t *testing.T) {
		checkFDs(t, "run", b.bundle("look").run("--preserve-fds", "2").report(), 2)
	})
	t.Run("start", func(t *testing.T) {
		k := b.bundle("look").create()
		k.start()
		b.until("the report", func() bool { return contains(k.output(), "}\n") })
		checkFDs(t, "start", readReport(t, k.output()), 0)
		k.delete()
	})
	k := b.bundle("wait").running().ready()
	t.Run("exec", func(t *testing.T) {
		checkFDs(t, "exec", k.exec(nil, "look").report(), 0)
	})
	t.Run("exec with a process file", func(t *testing.T) {
		p := *k.spec.Process
		p.Args = []string{"/attacker", "look"}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		file := b.file(filepath.Join(k.dir, "process.json"), string(text), 0o600)
		checkFDs(t, "exec", b.command("exec", "--process", file, k.id).report(), 0)
	})
	k.delete()
}

// TestHooksGetOnlyWhatTheyShould: hooks have their own environment and no descriptor but stdio (CVE-2024-21626; the environment of a
// daemon has secrets).
func TestHooksGetOnlyWhatTheyShould(t *testing.T) {
	b := newBench(t)
	b.manyFiles(1000)
	b.env = []string{"SECRET=hook"}
	program, err := theAttacker()
	if err != nil {
		t.Fatal(err)
	}
	k := b.bundle("look")
	k.bind(k.dir, "/hooks")
	hook := func(name, program, dir string) []specs.Hook {
		return []specs.Hook{{Path: program, Args: []string{"attacker", "hook", filepath.Join(dir, name+".json")}, Env: []string{"ONLY=this"}}}
	}
	k.spec.Hooks = &specs.Hooks{
		//lint:ignore SA1019 deprecated, but still in use
		Prestart:        hook("prestart", program, k.dir),
		CreateRuntime:   hook("createRuntime", program, k.dir),
		CreateContainer: hook("createContainer", program, k.dir),
		StartContainer:  hook("startContainer", "/attacker", "/hooks"),
		Poststart:       hook("poststart", program, k.dir),
		Poststop:        hook("poststop", program, k.dir),
	}
	if r := k.run(); r.code != 0 {
		if contains(r.err, "hooks") && contains(r.err, "unsupported") {
			t.Skip("hooks are not there yet: ", r.err)
		}
		t.Fatal(r)
	}
	for _, name := range []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"} {
		t.Run(name, func(t *testing.T) {
			r := readReport(t, read(t, filepath.Join(k.dir, name+".json")))
			checkFDs(t, name, r, 0)
			if len(r.Env) != 1 || r.Env[0] != "ONLY=this" {
				t.Errorf("environment %q", r.Env)
			}
			if !contains(r.State, `"ociVersion"`) || !contains(r.State, k.dir) {
				t.Errorf("state on stdin: %q", r.State)
			}
		})
	}
}

// TestWorkingDirectoryCannotBeOutside points process.cwd at descriptors that a runtime may have open, and at one that it has for sure:
// a preserved one (CVE-2024-21626).
func TestWorkingDirectoryCannotBeOutside(t *testing.T) {
	b := newBench(t)
	outside := func(where string, r result) {
		t.Helper()
		if r.code != 0 {
			return // refused
		}
		if v := r.report(); v.CwdError != "" || !strings.HasPrefix(v.Cwd, "/") || v.Above != "" {
			t.Errorf("%s: in %q (%s), and sees above it %.20q", where, v.Cwd, v.CwdError, v.Above)
		}
	}
	b.manyFiles(1)
	k := b.bundle("look")
	c := b.bundle("wait").running().ready()
	for fd := 3; fd < 24; fd++ {
		for _, cwd := range []string{fmt.Sprintf("/proc/self/fd/%d", fd), fmt.Sprintf("/proc/self/fd/%d/..", fd)} {
			k.spec.Process.Cwd = cwd
			outside("run in "+cwd, k.run("--preserve-fds", "1"))
			outside("exec in "+cwd, c.exec([]string{"--cwd", cwd, "--preserve-fds", "1"}, "look"))
		}
	}
	for _, cwd := range []string{"/proc/self/cwd", "/proc/self/root", "/proc/1/root", "/proc/self/cwd/../../..", "/../../.."} {
		k.spec.Process.Cwd = cwd
		outside("run in "+cwd, k.run())
		outside("exec in "+cwd, c.exec([]string{"--cwd", cwd}, "look"))
	}
	c.delete()
}

// TestEnvironmentOfTheEngineIsNotInside: neither in the workload nor in what stands there before it is started.
func TestEnvironmentOfTheEngineIsNotInside(t *testing.T) {
	b := newBench(t)
	b.env = []string{"SECRET=engine"}
	for _, e := range b.bundle("look").run().report().Env {
		if contains(e, "SECRET=") {
			t.Errorf("environment of run: %q", e)
		}
	}
	k := b.bundle("wait").create()
	if env := read(t, fmt.Sprintf("/proc/%d/environ", k.pid)); b.engine.ours && contains(env, "SECRET=") {
		t.Error("environment of a created container: it has the engine's SECRET")
	}
	k.start().ready()
	for _, e := range k.exec(nil, "look").report().Env {
		if contains(e, "SECRET=") {
			t.Errorf("environment of exec: %q", e)
		}
	}
	k.delete()
}
