// SPDX-License-Identifier: Apache-2.0

package runtimetools

import (
	"bufio"
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"crisp/test/build"
	"crisp/test/lane"
)

var update = flag.Bool("update", false, "write passing.txt anew by the peers' verdicts")

const pinned = "passing.txt"

// notYet names the programs of passing.txt that crisp-oci fails, each with the reason behind the name.
const notYet = "notyet.txt"

// peers are the runtimes whose verdicts are pinned, where Debian installs them.
var peers = map[string]string{"runc": "/usr/sbin/runc", "crun": "/usr/bin/crun"}

// workers run programs at a time: these mostly sleep between two looks at a container's state.
const workers = 6

// programsHere are the built validation programs, by name.
func programsHere(t *testing.T) map[string]string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir, err := build.RuntimeTools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]string{}
	for _, f := range files {
		if name := filepath.Base(f); name != "runtimetest" && !strings.HasPrefix(name, "rootfs-") {
			named[name] = f
		}
	}
	return named
}

// runAll runs programs with a runtime. Those about cgroups share the names of these, and take turns.
func runAll(t *testing.T, programs map[string]string, runtime string) map[string]result {
	t.Helper()
	t.Cleanup(func() {
		for _, name := range []string{"/cgrouptest", "/testdir"} {
			if err := lane.RemoveCgroups(name); err != nil {
				t.Error(err)
			}
		}
	})
	results := map[string]result{}
	var (
		group   sync.WaitGroup
		lock    sync.Mutex // guards results
		cgroups sync.Mutex // held by the one program about cgroups that runs
		slots   = make(chan struct{}, workers)
	)
	for name, program := range programs {
		group.Go(func() {
			if strings.HasPrefix(name, "linux_cgroups_") {
				cgroups.Lock()
				defer cgroups.Unlock()
			}
			slots <- struct{}{}
			r := execute(t.Context(), program, runtime)
			<-slots
			lock.Lock()
			results[name] = r
			lock.Unlock()
		})
	}
	group.Wait()
	return results
}

// TestProgramsThatPeersPassPass runs all that passing.txt names with $OCI_RUNTIME, or crisp-oci.
func TestProgramsThatPeersPassPass(t *testing.T) {
	all := programsHere(t)
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		t.Skip("cgroup v2: these programs know cgroup v1 alone")
	}
	runtime, err := build.OCIRuntime()
	if err != nil {
		t.Skip(err)
	}
	want := readPinned(t)
	chosen := map[string]string{}
	for name := range want {
		if all[name] == "" {
			t.Errorf("%s names %s, which runtime-tools do not have", pinned, name)
			continue
		}
		chosen[name] = all[name]
	}
	results, missing := runAll(t, chosen, runtime), readNotYet(t)
	for _, name := range slices.Sorted(maps.Keys(results)) {
		t.Run(name, func(t *testing.T) {
			r := results[name]
			passed := r.passed() && r.ok >= want[name]
			switch why := missing[name]; {
			case why != "" && passed:
				t.Errorf("it passes: take it off %s", notYet)
			case why != "":
				t.Skip(why)
			case !passed:
				t.Errorf("%d assertions passed, %d wanted; failed: %q (%v)\n%s", r.ok, want[name], r.failed, r.err, r.errs)
			}
		})
	}
}

// TestPinnedListIsWhatPeersPass holds passing.txt against runc and crun where they are installed.
func TestPinnedListIsWhatPeersPass(t *testing.T) {
	all := programsHere(t)
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		t.Skip("cgroup v2: these programs know cgroup v1 alone")
	}
	if !*update && os.Getenv("OCI_PEERS") == "" {
		t.Skip("OCI_PEERS is not set: runc and crun are not asked again")
	}
	passing := map[string]int{}
	var by []string
	for _, name := range slices.Sorted(maps.Keys(peers)) {
		version, err := exec.Command(peers[name], "--version").Output()
		if err != nil {
			t.Skipf("%s is not installed: %v", name, err)
		}
		first, _, _ := strings.Cut(string(version), "\n")
		by = append(by, first)
		for program, r := range runAll(t, all, peers[name]) {
			if r.passed() {
				passing[program] = max(passing[program], r.ok)
			}
		}
	}
	if *update {
		writePinned(t, by, passing)
	}
	if want := readPinned(t); !maps.Equal(passing, want) {
		t.Errorf("%s differs:\n%v\nnot\n%v", pinned, passing, want)
	}
}

// readPinned reads lines of a program's name and its number of assertions.
func readPinned(t *testing.T) map[string]int {
	t.Helper()
	list := map[string]int{}
	for name, number := range readList(t, pinned) {
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("%s: %v", pinned, err)
		}
		list[name] = n
	}
	return list
}

// readNotYet reads the reasons why crisp-oci fails what peers pass; other runtimes have none.
func readNotYet(t *testing.T) map[string]string {
	t.Helper()
	if os.Getenv("OCI_RUNTIME") != "" {
		return nil
	}
	return readList(t, notYet)
}

// readList reads lines of a program's name and what is said of it.
func readList(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, rest, _ := strings.Cut(lines.Text(), " "); name != "#" {
			list[name] = rest
		}
	}
	return list
}

func writePinned(t *testing.T, by []string, passing map[string]int) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "# Programs that at least one of these passes on cgroup v1, with the number of assertions: %s\n", strings.Join(by, ", "))
	for _, name := range slices.SortedFunc(maps.Keys(passing), cmp.Compare) {
		fmt.Fprintf(&b, "%s %d\n", name, passing[name])
	}
	if err := os.WriteFile(pinned, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
