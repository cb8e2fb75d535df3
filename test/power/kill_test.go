// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"crisp/image"
	"crisp/test/images"
	"crisp/test/power/content"
)

// victimEnv marks the process that is killed: "ROOT JOURNAL REGISTRY COUNT STEP", where COUNT is which of the steps of that name
// it does not take; 0 for none.
const victimEnv = "CRISP_POWER_VICTIM"

func TestMain(m *testing.M) {
	if plan := os.Getenv(victimEnv); plan != "" {
		if err := victim(plan); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// victim pulls and removes images and kills itself at a step. It prints the steps.
func victim(plan string) error {
	f := strings.SplitN(plan, " ", 5)
	count, err := strconv.Atoi(f[3])
	if err != nil {
		return err
	}
	journal, err := os.OpenFile(f[1], os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	step := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(name)
		if name != f[4] {
			return
		}
		if count--; count == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	ctx := context.Background()
	store, err := image.Open(ctx, image.Config{Root: f[0], Step: step, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	store.Collect()
	for _, act := range []struct {
		verb string
		n    int
	}{{"pull", 0}, {"pull", 1}, {"remove", 0}, {"pull", 3}, {"remove", 1}} {
		ref := f[2] + "/image:" + strconv.Itoa(act.n)
		fmt.Fprintln(journal, "begin", act.verb, act.n)
		if act.verb == "pull" {
			_, err = store.Pull(ctx, image.PullRequest{Ref: ref})
		} else {
			err = store.Remove(ctx, ref)
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(journal, "done", act.verb, act.n)
	}
	return store.Close()
}

// registry serves all images.
func registry(t *testing.T) string {
	t.Helper()
	r := images.NewRegistry()
	for n := range content.Images {
		img, err := content.Image(n)
		if err != nil {
			t.Fatal(err)
		}
		r.Tag("image", strconv.Itoa(n), img)
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// run runs a victim in a new store and looks at what it leaves.
func runVictim(t *testing.T, registry string, count int, step string) (steps []string) {
	t.Helper()
	dir := t.TempDir()
	root, journal := filepath.Join(dir, "images"), filepath.Join(dir, "journal")
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s %d %s", victimEnv, root, journal, registry, count, step))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	exit, failed := errors.AsType[*exec.ExitError](err)
	if count == 0 && err != nil || count > 0 && (!failed || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL) {
		t.Fatalf("the victim has ended with %v", err)
	}
	text, err := os.ReadFile(journal)
	if err != nil && count == 0 {
		t.Fatal(err)
	}
	if _, err := checkStore(t.Context(), root, expectations(string(text))); err != nil {
		t.Error(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func TestKillAtEveryStep(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("unpacking layers needs root")
	}
	addr := registry(t)
	counts := map[string]int{}
	for _, s := range runVictim(t, addr, 0, "none") {
		counts[s]++
	}
	if len(counts) < 11 {
		t.Fatalf("only these steps are named: %v", counts)
	}
	for _, step := range slices.Sorted(maps.Keys(counts)) {
		for n := range counts[step] {
			t.Run(fmt.Sprintf("%s %d", step, n+1), func(t *testing.T) {
				t.Parallel()
				runVictim(t, addr, n+1, step)
			})
		}
	}
}
