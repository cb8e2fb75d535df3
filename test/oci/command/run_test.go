// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestExitCodesOfRun(t *testing.T) {
	b := newBench(t)
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -KILL $$": 0, "exit 255": 255} {
		c := b.bundle(script, withoutPIDs)
		if strings.HasPrefix(script, "kill") {
			want = 128 + 9
		}
		if r := b.do("run", "--bundle", c.bundle, c.id); r.code != want {
			t.Errorf("%s: %v, want code %d", script, r, want)
		}
		b.fails(1, "does not exist", "state", c.id)
	}
	c := b.bundle("", func(s *specs.Spec) { s.Process.Args = []string{"/nonexistent"} })
	b.fails(1, "no such file", "run", "--bundle", c.bundle, c.id)
	b.fails(1, "config.json", "run", "--bundle", b.dir, "other")
	b.fails(1, "", "run", "--bundle", c.bundle, "..")
	b.fails(1, "", "run", "--bundle", c.bundle, "a/b")
}

// withoutPIDs is for workloads that are not to be process 1 of anything.
func withoutPIDs(s *specs.Spec) {
	for i, n := range s.Linux.Namespaces {
		if n.Type == specs.PIDNamespace {
			s.Linux.Namespaces = append(s.Linux.Namespaces[:i], s.Linux.Namespaces[i+1:]...)
			return
		}
	}
}

func TestRunKeepsWithKeep(t *testing.T) {
	b := newBench(t)
	c := b.bundle("exit 3")
	if !b.knows("run", "--keep") {
		b.newer("run has no --keep", false)
	}
	if r := b.do("run", "--keep", "--bundle", c.bundle, c.id); r.code != 3 {
		t.Errorf("%v", r)
	}
	b.status(c, "stopped")
	b.ok("delete", c.id)
	b.fails(1, "does not exist", "delete", c.id)
	b.ok("delete", "--force", c.id)
}

func TestLifeOfACreatedContainer(t *testing.T) {
	b := newBench(t)
	c := b.bundle(waiting, func(s *specs.Spec) { s.Annotations = map[string]string{"a": "b"} })
	pidFile := filepath.Join(b.dir, "pid")
	b.ok("create", "--bundle", c.bundle, "--pid-file", pidFile, c.id)
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	b.fails(1, "exist", "create", "--bundle", c.bundle, c.id)
	state := b.ok("state", c.id)
	var s map[string]any
	if err := json.Unmarshal([]byte(state), &s); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"id": c.id, "status": "created", "bundle": c.bundle, "rootfs": place.rootfs, "owner": ""} {
		if s[key] != want {
			t.Errorf("state: %s is %v, not %v", key, s[key], want)
		}
	}
	if pid, ok := s["pid"].(float64); !ok || strconv.Itoa(int(pid)) != string(text) {
		t.Errorf("state: pid %v, the file %q", s["pid"], text)
	}
	if a, ok := s["annotations"].(map[string]any); !ok || a["a"] != "b" {
		t.Errorf("state: annotations %v", s["annotations"])
	}
	b.fails(1, "", "delete", "nobody")
	b.ok("start", c.id)
	b.status(c, "running")
	b.fails(1, "cannot start an already running container", "start", c.id)
	b.fails(1, "", "delete", c.id)
	b.ok("pause", c.id)
	b.status(c, "paused")
	b.fails(1, "", "pause", c.id)
	b.ok("resume", c.id)
	b.fails(1, "", "resume", c.id)
	b.ok("kill", c.id)
	b.status(c, "stopped")
	b.fails(1, "cannot start a container that has stopped", "start", c.id)
	b.fails(1, "container not running", "kill", c.id, "TERM")
	b.fails(1, "unknown signal", "kill", c.id, "NONE")
	b.ok("delete", c.id)
}

// Process 1 of a namespace hears what it handles only; the one that waits for its start must hear what ends others.
func TestKillEndsACreatedContainer(t *testing.T) {
	b := newBench(t)
	for _, signal := range []string{"TERM", "SIGINT", "9"} {
		c := b.bundle(waiting)
		b.ok("create", "--bundle", c.bundle, c.id)
		b.ok("kill", c.id, signal)
		b.status(c, "stopped")
		b.ok("delete", c.id)
	}
}

func TestKillAllReachesEveryProcess(t *testing.T) {
	b := newBench(t)
	c := b.running(waiting, withoutPIDs)
	b.ok("exec", "--detach", c.id, "sleep", "1000")
	pids := b.pids(c)
	b.ok("kill", "--all", c.id, "KILL")
	for _, pid := range pids {
		until(b, "end of "+strconv.Itoa(pid), func() (bool, bool) {
			state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
			return true, err != nil || strings.Contains(string(state), ") Z ")
		})
	}
}

// A first process that ended leaves others behind in a container without a PID namespace. SIGKILL is for them too.
func TestKillReachesWhatTheFirstLeft(t *testing.T) {
	b := newBench(t)
	c := b.running(waiting, withoutPIDs)
	b.ok("exec", "--detach", c.id, "sleep", "1000")
	pids := b.pids(c)
	if err := unix.Kill(b.pid(c), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.newer("kill of a stopped container is an error", false)
	b.status(c, "stopped")
	b.ok("kill", c.id, "KILL")
	for _, pid := range pids {
		until(b, "end of "+strconv.Itoa(pid), func() (bool, bool) {
			state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
			return true, err != nil || strings.Contains(string(state), ") Z ")
		})
	}
}

func (b *bench) pid(c container) int {
	b.Helper()
	var s specs.State
	if err := json.Unmarshal([]byte(b.ok("state", c.id)), &s); err != nil {
		b.Fatal(err)
	}
	return s.Pid
}

// pids are those of ps, as JSON.
func (b *bench) pids(c container) []int {
	b.Helper()
	var pids []int
	if err := json.Unmarshal([]byte(b.ok("ps", "--format", "json", c.id)), &pids); err != nil {
		b.Fatal(err)
	}
	return pids
}

func TestListAndPs(t *testing.T) {
	b := newBench(t)
	if out := b.ok("list", "-q"); out != "" {
		t.Errorf("nothing is there: %q", out)
	}
	c, d := b.running(waiting), b.bundle(waiting)
	b.ok("create", "-b", d.bundle, d.id)
	if out := b.ok("list", "--quiet"); out != c.id+"\n"+d.id+"\n" {
		t.Errorf("list -q: %q", out)
	}
	var all []specs.State
	if err := json.Unmarshal([]byte(b.ok("list", "-f", "json")), &all); err != nil || len(all) != 2 || all[1].Status != "created" {
		t.Errorf("list -f json: %+v, %v", all, err)
	}
	table := b.ok("list")
	if !strings.HasPrefix(table, "ID ") || strings.Count(table, "\n") != 3 || !strings.Contains(table, "running") {
		t.Errorf("list: %s", table)
	}
	b.fails(1, "invalid format option", "list", "-f", "yaml")
	b.fails(1, "invalid format option", "ps", "-f", "yaml", c.id)
	if out := b.ok("ps", c.id, "-o", "pid,args"); !strings.Contains(out, "PID") || !strings.Contains(out, "trap") {
		t.Errorf("ps -o: %s", out)
	}
	if out := b.ok("ps", c.id); !strings.Contains(out, "UID") {
		t.Errorf("ps: %s", out)
	}
	if pids := b.pids(d); len(pids) != 1 {
		t.Errorf("processes of a created container: %v", pids)
	}
	b.fails(1, "does not exist", "ps", "nobody")
}

func TestNoSubreaperLeavesOrphansToOthers(t *testing.T) {
	b := newBench(t)
	for _, flags := range [][]string{nil, {"--no-subreaper"}} {
		c := b.bundle("(sleep 1000 & echo $!); exec sleep 1000", withoutPIDs)
		cmd := b.command(append(append([]string{"run", "--bundle", c.bundle}, flags...), c.id)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		orphan := until(b, "orphan", func() (string, bool) {
			out := b.text(cmd.Stdout)
			return strings.TrimSpace(out), strings.HasSuffix(out, "\n")
		})
		parent := until(b, "new parent of the orphan", func() (int, bool) {
			n := b.parent(orphan)
			return n, !slices.Contains(b.pids(c), n) && b.parent(orphan) == n // it had not just ended
		})
		if ours := parent == cmd.Process.Pid; ours == (flags != nil) {
			t.Errorf("%v: the parent is %d, the runtime %d", flags, parent, cmd.Process.Pid)
		}
		b.ok("kill", "--all", c.id, "KILL")
		b.finish(cmd)
	}
}

func (b *bench) parent(pid string) int {
	b.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "PPid:\t")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(line)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func TestFlagsOfTheKeyringAndTheRoot(t *testing.T) {
	b := newBench(t)
	keyring := func(flags ...string) string {
		c := b.bundle("cat /proc/keys", func(s *specs.Spec) { s.Linux.MaskedPaths = nil })
		return b.ok(append(append([]string{"run", "--bundle", c.bundle}, flags...), c.id)...)
	}
	if out := keyring(); !strings.Contains(out, "_ses.c1") {
		t.Errorf("no keyring of the container: %s", out)
	}
	if out := keyring("--no-new-keyring"); strings.Contains(out, "_ses.c2") {
		t.Errorf("a keyring in spite of --no-new-keyring: %s", out)
	}
	c := b.bundle("ls /bin/busybox")
	if out := b.ok("run", "--no-pivot", "--bundle", c.bundle, c.id); out != "/bin/busybox\n" {
		t.Errorf("--no-pivot: %q", out)
	}
	// Whoever makes a user namespace there must not get a procfs without masks (runc's no_pivot.bats).
	c = b.bundle("unshare -mrpf mount -t proc none /proc", func(s *specs.Spec) {
		s.Process.Capabilities.Bounding = append(s.Process.Capabilities.Bounding, "CAP_SETFCAP")
		s.Process.Capabilities.Permitted = append(s.Process.Capabilities.Permitted, "CAP_SETFCAP")
	})
	if r := b.do("run", "--bundle", c.bundle, c.id); r.code == 0 {
		t.Log("with pivot_root this kernel lets it too (Linux 6.12 does)")
		return
	}
	b.fails(1, "ermi", "run", "--no-pivot", "--bundle", c.bundle, c.id)
}
