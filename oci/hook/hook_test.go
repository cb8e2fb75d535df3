// SPDX-License-Identifier: Apache-2.0

package hook

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func shell(script string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}}
}

func run(t *testing.T, hooks ...specs.Hook) error {
	t.Helper()
	return List{Kind: CreateRuntime, Hooks: hooks}.Run(t.Context(), state(), Command(t.TempDir()))
}

func state() specs.State {
	return specs.State{
		Version: "1.3.0", ID: "c1", Status: specs.StateCreating, Pid: 4711, Bundle: "/b", Annotations: map[string]string{"a": "b"},
	}
}

func TestHookGetsTheStateArgumentsAndEnvironment(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	h := specs.Hook{
		Path: "/bin/sh", Args: []string{"other", "-c", `{ cat; echo; echo "$0 $A ${HOME-none}"; pwd; } >` + out}, Env: []string{"A=b"},
	}
	dir := t.TempDir()
	if err := (List{Kind: Prestart, Hooks: []specs.Hook{h}}).Run(t.Context(), state(), Command(dir)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	var got specs.State
	if err := json.Unmarshal([]byte(lines[0]), &got); err != nil {
		t.Fatal(err)
	}
	if want := state(); got.Version != want.Version || got.ID != "c1" || got.Status != "creating" || got.Pid != 4711 || got.Bundle != "/b" ||
		got.Annotations["a"] != "b" {
		t.Errorf("state %+v", got)
	}
	if lines[1] != "other b none" || lines[2] != dir {
		t.Errorf("%q", lines[1:])
	}
}

func TestFailureNamesTheHookAndEndsTheList(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	err := run(t, shell("true"), shell("echo one; echo two >&2; exit 3"), shell("touch "+out))
	var e *Error
	if !errors.As(err, &e) || e.Index != 1 || err.Error() != "hooks.createRuntime[1]: /bin/sh: exit status 3: one\ntwo" {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("the next hook ran")
	}
	if err := run(t, specs.Hook{Path: "/nonexistent/hook"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing hook: %v", err)
	}
}

func TestAllRunsTheOthersToo(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	l := List{Kind: Poststop, Hooks: []specs.Hook{shell("exit 1"), shell("touch " + out), shell("exit 2")}}
	err := l.RunAll(t.Context(), state(), Command("/"))
	if err == nil || !strings.Contains(err.Error(), "hooks.poststop[0]") || !strings.Contains(err.Error(), "hooks.poststop[2]") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(out); err != nil {
		t.Error(err)
	}
}

func TestTimeoutKillsTheProcessGroup(t *testing.T) {
	out := filepath.Join(t.TempDir(), "pid")
	h := shell("echo words; sleep 1000 & echo $! >" + out + "; wait")
	h.Timeout = new(int)
	*h.Timeout = 1
	begin := time.Now()
	err := run(t, h)
	if !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "words") || !strings.Contains(err.Error(), "1s") {
		t.Errorf("%v", err)
	}
	if d := time.Since(begin); d > 30*time.Second {
		t.Errorf("took %s", d)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); alive(pid); {
		if time.Now().After(deadline) {
			t.Fatal("what the hook started goes on")
		}
	}
}

// alive says whether a process runs: a zombie, which somebody else reaps, does not.
func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestCallerThatGivesUpEndsTheHook(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		f, err := os.OpenFile(fifo, os.O_RDONLY, 0) // until the hook runs
		if err == nil {
			f.Close()
		}
		cancel()
	}()
	err := (List{Kind: Prestart, Hooks: []specs.Hook{shell("exec 3>" + fifo + "; sleep 1000")}}).Run(ctx, state(), Command("/"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestServiceThatAHookLeavesBehindIsNotWaitedFor(t *testing.T) {
	out := filepath.Join(t.TempDir(), "pid")
	if err := run(t, shell("sleep 1000 & echo $! >"+out)); err != nil {
		t.Error(err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	if !alive(pid) {
		t.Error("it was ended with the hook")
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

func TestOutputIsBounded(t *testing.T) {
	err := run(t, shell("yes | head -c 1000000; echo end; exit 1"))
	if err == nil || len(err.Error()) > maxOutput+100 || !strings.HasSuffix(err.Error(), "end") || !strings.Contains(err.Error(), "…") {
		t.Errorf("%d bytes: %.100v", len(err.Error()), err)
	}
}

func TestDescriptionIsInTheOrderOfTheCalls(t *testing.T) {
	five := 5
	h := &specs.Hooks{
		Poststop:       []specs.Hook{{Path: "/last"}},
		CreateRuntime:  []specs.Hook{{Path: "/first", Args: []string{"a", "b c"}, Timeout: &five}, {Path: "/second"}},
		StartContainer: []specs.Hook{{Path: "/third"}},
	}
	const want = `createRuntime hooks, on the host, when the mounts are there and before the root file system is entered
  "/first" argv=["a" "b c"] timeout=5s
  "/second" argv=["/second"]
startContainer hooks, in the container, as its process, before that is executed
  "/third" argv=["/third"]
poststop hooks, on the host, when the container has been deleted
  "/last" argv=["/last"]
`
	if got := Describe(h); got != want {
		t.Errorf("%s", got)
	}
	if got := Describe(nil); got != "" {
		t.Errorf("without hooks: %q", got)
	}
}
