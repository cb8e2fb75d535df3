// SPDX-License-Identifier: Apache-2.0

package leak

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func take(t *testing.T, s Scope) Snapshot {
	t.Helper()
	snapshot, err := Take(s)
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

func TestSinceCountsOnlyWhatIsMore(t *testing.T) {
	before := Snapshot{"fd": {"a": 2, "b": 1}, "link": {"lo": 1}}
	after := Snapshot{"fd": {"a": 4, "c": 1}, "link": {"lo": 1}}
	want := []string{"fd a (2 times)", "fd c"}
	if got := after.Since(before); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNewFileIsFound(t *testing.T) {
	dir := t.TempDir()
	scope := Scope{Ancestor: os.Getpid(), Dirs: []string{dir}}
	before := take(t, scope)
	path := filepath.Join(dir, "left")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := take(t, scope).Since(before); !slices.Contains(got, "file "+path) {
		t.Errorf("not found: %q", got)
	}
}

func TestChildProcessIsFoundWithItsState(t *testing.T) {
	scope := Scope{Ancestor: os.Getpid()}
	before := take(t, scope)
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := func(zombie bool) bool {
		return slices.ContainsFunc(take(t, scope).Since(before), func(line string) bool {
			return strings.HasPrefix(line, "process ") && strings.Contains(line, " Z ") == zombie
		})
	}
	if !found(false) {
		t.Error("a running child was not found")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for !found(true) {
		if time.Now().After(deadline) {
			t.Fatal("a zombie was not found")
		}
	}
	_ = cmd.Wait()
	if left, err := Wait(context.Background(), Scope{Ancestor: os.Getpid()}, before); err != nil || left != nil {
		t.Errorf("left %q, %v", left, err)
	}
}

func TestWaitEndsWhenItIsGone(t *testing.T) {
	dir := t.TempDir()
	scope := Scope{Ancestor: os.Getpid(), Dirs: []string{dir}, Ignore: func(kind, _ string) bool { return kind != "file" }}
	before := take(t, scope)
	path := filepath.Join(dir, "soon-gone")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if left, err := Wait(ctx, scope, before); err != nil || len(left) != 1 {
		t.Errorf("left %q, %v", left, err)
	}
	time.AfterFunc(30*time.Millisecond, func() { os.Remove(path) })
	if left, err := Wait(t.Context(), scope, before); err != nil || left != nil {
		t.Errorf("left %q, %v", left, err)
	}
}

func TestOwnDescriptorIsFound(t *testing.T) {
	scope := Scope{Ancestor: os.Getpid(), Daemon: os.Getpid()}
	path := filepath.Join(t.TempDir(), "open")
	before := take(t, scope)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := take(t, scope).Since(before); !slices.Contains(got, "fd "+path) {
		t.Errorf("not found: %q", got)
	}
}
