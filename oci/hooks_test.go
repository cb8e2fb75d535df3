// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crisp/oci/hook"
	"crisp/oci/internal/facts"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// script is a hook that runs a shell script of the host.
func script(text string) []specs.Hook {
	return []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", text}}}
}

// journal is a directory where hooks write what they see, shared with the container at /journal.
func (b *bench) journal(s *specs.Spec) string {
	b.Helper()
	dir := b.TempDir()
	for path, mode := range map[string]os.FileMode{dir: 0o777, filepath.Dir(dir): 0o755} { // root of a user namespace gets there too
		if err := os.Chmod(path, mode); err != nil {
			b.Fatal(err)
		}
	}
	order := filepath.Join(dir, "order")
	if err := errors.Join(os.WriteFile(order, nil, 0o666), os.Chmod(order, 0o666)); err != nil {
		b.Fatal(err)
	}
	s.Mounts = append(s.Mounts, bindMount(dir, "/journal"))
	return dir
}

func readState(t *testing.T, text string) specs.State {
	t.Helper()
	var s specs.State
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	return s
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestHooksRunWhereAndWhenTheyShould has each hook write the state that it got and what it sees.
func TestHooksRunWhereAndWhenTheyShould(t *testing.T) {
	for _, userns := range []bool{false, true} {
		t.Run(map[bool]string{false: "root", true: "user namespace"}[userns], func(t *testing.T) { testHooks(t, userns) })
	}
}

func testHooks(t *testing.T, userns bool) {
	b := newBench(t)
	s := b.spec("wait")
	if userns {
		b.inUserNamespace(s)
	}
	s.Process.User = specs.User{UID: 1000, GID: 2000}
	s.Annotations = map[string]string{"org.example": "value"}
	s.Root.Readonly = true
	j := b.journal(s)
	see := func(name string) string {
		return "{ cat; echo; for n in mnt net pid; do readlink /proc/self/ns/$n; done; pwd; echo " + name + " >>" + j + "/order; } >" + j + "/" + name
	}
	inside := "; test -x probe && test -e " + s.Root.Path + "/proc/self/status && touch " + s.Root.Path + "/made-by-hook || exit 9; test -e made-by-hook"
	s.Hooks = &specs.Hooks{
		//lint:ignore SA1019 deprecated, but still in use
		Prestart:        script(see("prestart")),
		CreateRuntime:   script(see("createRuntime")),
		CreateContainer: script("chmod 777 . 2>/dev/null; " + see("createContainer") + inside),
		StartContainer:  []specs.Hook{{Path: "/probe", Args: []string{"x", "save", "/journal/startContainer"}}},
		Poststart:       script(see("poststart")),
		Poststop:        script(see("poststop")),
	}
	k := b.create(s)
	equal(t, "order at the barrier", content(t, j+"/order"), "prestart\ncreateRuntime\ncreateContainer\n")
	if _, err := os.Stat(filepath.Join(s.Root.Path, "made-by-hook")); err != nil {
		t.Error(err)
	}
	k.start()
	k.ready(1)
	equal(t, "order after the start", content(t, j+"/order"), "prestart\ncreateRuntime\ncreateContainer\npoststart\n")
	host := map[string]string{}
	container := map[string]string{}
	for _, n := range []string{"mnt", "net", "pid"} {
		host[n], _ = os.Readlink("/proc/self/ns/" + n)
		container[n], _ = os.Readlink("/proc/" + itoa(k.Pid) + "/ns/" + n)
	}
	pid := k.Pid
	if err := k.Kill(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.wait(k.ID)
	k.untilExited()
	for range 2 {
		if err := k.Delete(b.ctx); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "order in the end", content(t, j+"/order"), "prestart\ncreateRuntime\ncreateContainer\npoststart\npoststop\n")
	for _, c := range []struct {
		name   string
		status specs.ContainerState
		pid    int
		in     map[string]string
		cwd    string
	}{
		{"prestart", "creating", pid, host, k.dir}, {"createRuntime", "creating", pid, host, k.dir},
		{"createContainer", "creating", 1, container, s.Root.Path}, {"poststart", "running", pid, host, k.dir}, {"poststop", "stopped", 0, host, k.dir},
	} {
		lines := strings.Split(content(t, filepath.Join(j, c.name)), "\n")
		state := readState(t, lines[0])
		want := specs.State{Version: s.Version, ID: k.ID, Status: c.status, Pid: c.pid, Bundle: k.dir}
		equal(t, c.name+": annotation", state.Annotations["org.example"], "value")
		state.Annotations = nil
		if state.Version != want.Version || state.ID != want.ID || state.Status != want.Status || state.Pid != want.Pid || state.Bundle != want.Bundle {
			t.Errorf("%s: state %+v, want %+v", c.name, state, want)
		}
		for i, n := range []string{"mnt", "net", "pid"} {
			equal(t, c.name+": namespace "+n, lines[1+i], c.in[n])
		}
		equal(t, c.name+": working directory", lines[4], c.cwd)
	}
	line, rest, _ := strings.Cut(content(t, j+"/startContainer"), "\n")
	state := readState(t, line)
	equal(t, "startContainer: status", state.Status, "created")
	equal(t, "startContainer: pid", state.Pid, 1)
	var f facts.Facts
	if err := json.Unmarshal([]byte(rest), &f); err != nil {
		t.Fatal(err)
	}
	equal(t, "startContainer: uids", f.Status["Uid"], "1000\t1000\t1000\t1000")
	equal(t, "startContainer: environment", strings.Join(f.Env, " "), strings.Join(s.Process.Env, " ")+" HOME=/")
	equal(t, "startContainer: mount namespace", f.Namespaces["mnt"], container["mnt"])
	equal(t, "startContainer: argument", f.Args[0], "x")
	checkDescriptors(t, f)
}

// TestFailedHookLeavesNothing: of the hooks up to the start, and poststop runs all the same.
func TestFailedHookLeavesNothing(t *testing.T) {
	for _, kind := range []hook.Kind{hook.Prestart, hook.CreateRuntime, hook.CreateContainer, hook.StartContainer, hook.Poststart} {
		t.Run(string(kind), func(t *testing.T) {
			b := newBench(t)
			s := b.spec("wait")
			out := filepath.Join(t.TempDir(), "poststop")
			s.Hooks = &specs.Hooks{Poststop: script("touch " + out)}
			failing := script("echo because >&2; exit 3")
			switch kind {
			case hook.Prestart:
				//lint:ignore SA1019 deprecated, but still in use
				s.Hooks.Prestart = failing
			case hook.CreateRuntime:
				s.Hooks.CreateRuntime = failing
			case hook.CreateContainer:
				s.Hooks.CreateContainer = failing
			case hook.StartContainer:
				s.Hooks.StartContainer = []specs.Hook{{Path: "/probe", Args: []string{"probe", "exit", "3"}}}
			case hook.Poststart:
				s.Hooks.Poststart = failing
			case hook.Poststop:
			}
			k, err := b.tryCreate(s)
			early := kind == hook.Prestart || kind == hook.CreateRuntime || kind == hook.CreateContainer
			if early != (err != nil) {
				t.Fatalf("create: %v", err)
			}
			if !early {
				err = k.Start(b.ctx)
				if k.Running() {
					b.wait(k.ID)
				}
				k.untilExited()
			}
			var e *hook.Error
			if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(err.Error(), "exit status 3") {
				t.Fatalf("%v", err)
			}
			if early {
				b.untilForgotten()
				if left := testCgroups(); len(left) != 0 {
					t.Errorf("cgroups %v", left)
				}
			} else if err := k.Delete(b.ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(out); err != nil {
				t.Errorf("poststop: %v", err)
			}
		})
	}
}

// TestFailedPoststartHookOfAnEarlierSpecIsAWarning: until 1.3 the container was to go on.
func TestFailedPoststartHookOfAnEarlierSpecIsAWarning(t *testing.T) {
	b := newBench(t)
	s := b.spec("wait")
	s.Version = "1.2.1"
	s.Hooks = &specs.Hooks{Poststart: script("exit 3")}
	k := b.create(s)
	if err := k.Start(b.ctx); err != nil || !k.Running() {
		t.Fatalf("%v, running: %v", err, k.Running())
	}
}

func TestTimeoutOfAHookInTheContainerKillsIt(t *testing.T) {
	b := newBench(t)
	s := b.spec("wait")
	hang := script("sleep 1000 & wait")
	hang[0].Timeout = ptr(1)
	s.Hooks = &specs.Hooks{CreateContainer: hang}
	if _, err := b.tryCreate(s); !errors.Is(err, hook.ErrTimeout) {
		t.Errorf("%v", err)
	}
	b.untilForgotten()
	s = b.spec("wait")
	s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/probe", Args: []string{"probe", "wait"}, Timeout: ptr(1)}}}
	k := b.create(s)
	if err := k.Start(b.ctx); !errors.Is(err, hook.ErrTimeout) || !strings.Contains(err.Error(), "ready") {
		t.Errorf("%v", err)
	}
}

func TestMissingHookIsNamed(t *testing.T) {
	b := newBench(t)
	s := b.spec("wait")
	s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{{Path: "/nonexistent/hook"}}}
	if _, err := b.tryCreate(s); !errors.Is(err, unix.ENOENT) || !strings.HasPrefix(err.Error(), "hooks.createContainer[0]: /nonexistent/hook") {
		t.Errorf("%v", err)
	}
	s = b.spec("wait")
	s.Hooks = &specs.Hooks{StartContainer: script("true")} // the host has it, the container does not
	k := b.create(s)
	if err := k.Start(b.ctx); !errors.Is(err, unix.ENOENT) || !strings.HasPrefix(err.Error(), "hooks.startContainer[0]: /bin/sh") {
		t.Errorf("%v", err)
	}
}

func TestHookPlanIsAsPinned(t *testing.T) {
	for _, name := range []string{"kubernetes", "userns"} {
		s := readSpec(t, name)
		c, err := CompileHook(s, &specs.Hook{Path: "/usr/bin/setup", Args: []string{"setup", "x"}, Env: []string{"A=b"}}, "/srv/root", options(s, hostV1()))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+"-hook", c)
	}
}
