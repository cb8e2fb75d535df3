// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

const image = "localhost/busybox"

// newPodman is a podman with the test's image.
func newPodman(t *testing.T) *engine {
	t.Helper()
	e := newEngine(t, "podman")
	e.command = append(e.command, "--root", e.path("root"), "--runroot", e.path("run"), "--tmpdir", e.path("tmp"),
		"--cgroup-manager", "cgroupfs", "--events-backend", "file", "--storage-driver", "overlay", "--runtime", e.runtime)
	e.run("import", archive(t, e.dir), image)
	return e
}

// flags are those of every container: a cgroup that the test knows, and no network plugins.
func (e *engine) flags(more ...string) []string {
	return append([]string{"--cgroup-parent", e.cgroup, "--network", "none"}, more...)
}

func (e *engine) podmanRun(flags []string, command ...string) []string {
	args := append([]string{"run"}, e.flags(flags...)...)
	return append(append(args, image), command...)
}

// background runs a container until it has said its first line.
func (e *engine) background(name string, flags ...string) {
	e.t.Helper()
	e.run(e.podmanRun(append([]string{"-d", "--name", name}, flags...), "sh", "-c", waits)...)
	e.t.Cleanup(func() { e.run("rm", "-f", "-t", "0", "--ignore", name) })
	e.eventually("one\ntwo", "logs", name)
}

func TestPodmanRunsInTheForeground(t *testing.T) {
	e := newPodman(t)
	e.wants("hello", e.podmanRun([]string{"--rm"}, "echo", "hello")...)
	e.wants("8 12", e.podmanRun([]string{"--rm", "--user", "mail:mail"}, "sh", "-c", "echo $(id -u) $(id -g)")...)
	e.wants("box", e.podmanRun([]string{"--rm", "--hostname", "box"}, "hostname")...)
	e.fails(7, "", e.podmanRun([]string{"--rm"}, "sh", "-c", "exit 7")...)
	e.fails(127, "no such file", e.podmanRun([]string{"--rm"}, "/missing")...)
	e.fails(126, "permission denied", e.podmanRun([]string{"--rm"}, "/etc/passwd")...)
	e.fails(1, "Read-only file system", e.podmanRun([]string{"--rm", "--read-only"}, "touch", "/etc/x")...)
	e.wants("ok", e.podmanRun([]string{"--rm", "--read-only", "--tmpfs", "/var"}, "sh", "-c", "touch /var/x && echo ok")...)
	e.wants("/dev/pts/0", e.podmanRun([]string{"--rm", "-t"}, "readlink", "/proc/self/fd/1")...)
}

func TestPodmanLifeCycle(t *testing.T) {
	e := newPodman(t)
	e.background("c")
	e.wants("0 0", "exec", "c", "sh", "-c", "echo $(id -u) $(id -g)")
	e.fails(9, "", "exec", "c", "sh", "-c", "exit 9")
	e.fails(127, "", "exec", "c", "/missing")
	e.wants("x=1 /tmp", "exec", "-e", "X=1", "-w", "/tmp", "c", "sh", "-c", `echo x=$X "$(pwd)"`)
	e.wants("/dev/pts/0", "exec", "-t", "c", "readlink", "/proc/self/fd/1")
	if top := e.run("top", "c"); !strings.Contains(top, "while :") {
		t.Errorf("top: %s", top)
	}
	e.run("pause", "c")
	e.wants("paused", "inspect", "-f", "{{.State.Status}}", "c")
	e.run("unpause", "c")
	e.wants("running", "inspect", "-f", "{{.State.Status}}", "c")
	e.run("stop", "-t", "20", "c")
	e.wants("exited 3", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "c")
	e.run("start", "c")
	e.wants("running", "inspect", "-f", "{{.State.Status}}", "c")
	e.run("kill", "c")
	e.eventually("exited 137", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "c")
	e.run("rm", "c")
	e.wants("", "ps", "-aq")
}

func TestPodmanReadsStatistics(t *testing.T) {
	e := newPodman(t)
	e.background("c", "--memory", "64m", "--pids-limit", "50")
	var all []struct {
		PIDs     any    `json:"pids"`
		MemUsage string `json:"mem_usage"`
	}
	if err := json.Unmarshal([]byte(e.run("stats", "--no-stream", "--format", "json", "c")), &all); err != nil || len(all) != 1 {
		t.Fatalf("stats: %v, %v", all, err)
	}
	if !strings.Contains(all[0].MemUsage, "67.11MB") {
		t.Errorf("memory %q, want the limit of 67.11MB", all[0].MemUsage)
	}
}

func TestPodmanLimitsAndUpdates(t *testing.T) {
	e := newPodman(t)
	e.background("c", "--memory", "64m", "--pids-limit", "50", "--cpus", "0.5")
	e.wants("50", "exec", "c", "sh", "-c", cgroupFile("pids.max")+" | head -n 1")
	e.run("update", "--memory", "96m", "c")
	got := e.run("exec", "c", "sh", "-c", "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; true")
	if n, err := strconv.Atoi(strings.TrimSpace(got)); err != nil || n != 96<<20 {
		t.Errorf("memory limit %q after the update", got)
	}
}

func TestPodmanMapsUsers(t *testing.T) {
	e := newPodman(t)
	e.wants("0 100000 65536\nroot", e.podmanRun([]string{"--rm", "--uidmap", "0:100000:65536"}, "sh", "-c",
		`set -- $(cat /proc/self/uid_map); echo "$@"; touch /tmp/x; ls -l /tmp/x | { read _ _ owner _; echo $owner; }`)...)
}

func TestPodmanPodSharesNamespaces(t *testing.T) {
	e := newPodman(t)
	e.background("first", "--hostname", "shared")
	e.wants("shared", "run", "--rm", "--cgroup-parent", e.cgroup, "--network", "container:first", "--uts", "container:first", "--pid", "container:first",
		"--ipc", "container:first", image, "hostname")
}
