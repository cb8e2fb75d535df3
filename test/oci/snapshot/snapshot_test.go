// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"bufio"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the list of differences anew")

// listFile is the list of this cgroup version.
func listFile() string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return "differences.cgroup2.txt"
	}
	return "differences.cgroup1.txt"
}

// TestContainersSeeWhatTheySeeUnderPeers runs each config with each runtime and holds what is not the same against the list.
func TestContainersSeeWhatTheySeeUnderPeers(t *testing.T) {
	all := runtimes(t)
	program, dir := probe(t), scratch(t)
	box := startSandbox(t, program)
	p := place{scratch: dir, host: namespacesOf(t, "self"), joined: namespacesOf(t, strconv.Itoa(box))}
	listed, err := readList(listFile())
	must(t, err)
	var found []difference
	var ran []string
	for _, c := range configs(box) {
		t.Run(c.name, func(t *testing.T) {
			seen := map[string]items{}
			for _, r := range all {
				seen[r.name] = see(t, r, c, program, p)
			}
			found, ran = append(found, differences(c.name, running(seen))...), append(ran, c.name)
			found = append(found, differences(c.name, verdicts(seen))...)
		})
	}
	merged := merge(found)
	if *update && len(ran) < len(configs(box)) {
		t.Fatal("-update wants all configs")
	}
	if *update {
		listed.update(merged)
		must(t, os.WriteFile(listFile(), []byte(listed.String()), 0o644))
	}
	for _, wrong := range listed.compare(merged, ran) {
		t.Error(wrong)
	}
}

// runs is the item that says whether a runtime made the container at all.
const runs = "runs"

// running leaves out runtimes that made no container.
func running(seen map[string]items) map[string]items {
	left := map[string]items{}
	for runtime, s := range seen {
		if s[runs] == "" {
			left[runtime] = s
		}
	}
	return left
}

// verdicts are only whether containers were made.
func verdicts(seen map[string]items) map[string]items {
	left := map[string]items{}
	for runtime, s := range seen {
		left[runtime] = items{runs: "yes"}
		if s[runs] != "" {
			left[runtime] = s
		}
	}
	return left
}

// changing are parts of a complaint that are not the same each time.
var changing = regexp.MustCompile(`time="[^"]*" |\d{4}-\d\d-\d\dT[0-9:.]*Z:? ?|level=\w+ `)

// see is what a container sees.
func see(t *testing.T, r runtime, c config, program string, p place) items {
	t.Helper()
	b := makeBundle(t, p.scratch, program, c)
	for _, n := range b.spec.Linux.Namespaces {
		p.ownPIDs = p.ownPIDs || n.Type == specs.PIDNamespace
	}
	p.masked, p.fixed = b.spec.Linux.MaskedPaths, b.spec.Linux.ReadonlyPaths
	call := call{runtime: r, scratch: p.scratch, terminal: b.terminal, files: b.files}
	out, err := call.run()
	var refused *complaint
	if errors.As(err, &refused) {
		lines := strings.Split(strings.TrimSpace(refused.text), "\n")
		return items{runs: p.named(changing.ReplaceAllString(lines[len(lines)-1], ""))}
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", r.name, err, out)
	}
	facts, err := readFacts(out)
	if err != nil {
		text, _ := os.ReadFile(filepath.Join(p.scratch, "errors"))
		t.Fatalf("%s: %v: %q\n%s", r.name, err, out, text)
	}
	return p.comparable(facts)
}

// startSandbox starts a process in namespaces of its own, as a pod's sandbox has them, and returns its process ID.
func startSandbox(t *testing.T, program string) int {
	t.Helper()
	cmd := exec.Command(program, "wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "ready" {
			return cmd.Process.Pid
		}
	}
	t.Fatal("the sandbox did not start")
	return 0
}
