// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// newContainerd starts a containerd with its own directories and returns its client.
func newContainerd(t *testing.T) *engine {
	t.Helper()
	e := newEngine(t, "ctr")
	program, err := exec.LookPath("containerd")
	if err != nil {
		t.Skip("containerd is not installed")
	}
	socket := e.path("c.sock")
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = %q\n",
		e.path("root"), e.path("state"), socket)
	if err := os.WriteFile(e.path("config.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(e.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	daemon := exec.Command(program, "-c", e.path("config.toml"))
	daemon.Stdout, daemon.Stderr = log, log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait()
		if t.Failed() {
			t.Log(complaints(e.path("log")))
		}
	})
	if err := answers(socket); err != nil {
		t.Fatal(err)
	}
	e.command = append(e.command, "--address", socket)
	return e
}

// answers waits until somebody listens on a socket.
func answers(socket string) error {
	var d net.Dialer
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := d.DialContext(ctx, "unix", socket)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-tick.C:
		}
	}
}

// ctrRun are the arguments of `ctr run` for a container in a bare directory: no image is needed.
func (e *engine) ctrRun(root, name string, flags []string, command ...string) []string {
	args := append([]string{"run", "--rootfs", "--runc-binary", e.runtime, "--cgroup", e.cgroup + "/" + name, "--env", "PATH=/bin"}, flags...)
	return append(append(args, root, name), command...)
}

func TestContainerdRunsInTheForeground(t *testing.T) {
	e := newContainerd(t)
	root := rootfs(t, e.dir)
	e.wants("hello", e.ctrRun(root, "a", []string{"--rm"}, "echo", "hello")...)
	e.fails(7, "", e.ctrRun(root, "b", []string{"--rm"}, "sh", "-c", "exit 7")...)
	e.fails(1, "no such file or directory", e.ctrRun(root, "c", []string{"--rm"}, "/missing")...)
}

func TestContainerdLifeCycle(t *testing.T) {
	e := newContainerd(t)
	root := rootfs(t, e.dir)
	e.run(e.ctrRun(root, "c", []string{"-d", "--memory-limit", "67108864", "--log-uri", "file://" + e.path("out")}, "sh", "-c", waits)...)
	e.fileSays("out", "one\ntwo\n")
	e.wants("uid=0", "task", "exec", "--exec-id", "x", "c", "sh", "-c", "id | head -c 5")
	e.fails(9, "", "task", "exec", "--exec-id", "y", "c", "sh", "-c", "exit 9")
	if ps := e.run("task", "ps", "c"); len(strings.Fields(ps)) < 3 {
		t.Errorf("task ps: %s", ps)
	}
	if metrics := e.run("task", "metrics", "c"); !strings.Contains(metrics, "memory") {
		t.Errorf("task metrics: %s", metrics)
	}
	e.run("task", "pause", "c")
	e.taskIs("c", "PAUSED")
	e.run("task", "resume", "c")
	e.taskIs("c", "RUNNING")
	e.run("task", "kill", "-s", "SIGTERM", "c")
	e.taskIs("c", "STOPPED")
	if _, says, err := e.try("task", "rm", "c"); err != nil || !strings.Contains(says, "exit code 3") {
		t.Errorf("task rm: %v, %s", err, says)
	}
	e.run("container", "rm", "c")
	e.wants("", "container", "ls", "-q")
}

func TestContainerdKillsAll(t *testing.T) {
	e := newContainerd(t)
	root := rootfs(t, e.dir)
	e.run(e.ctrRun(root, "c", []string{"-d", "--log-uri", "file://" + e.path("out")}, "sh", "-c", waits)...)
	e.fileSays("out", "one\ntwo\n")
	e.run("task", "kill", "--all", "-s", "SIGKILL", "c")
	e.taskIs("c", "STOPPED")
	e.run("task", "rm", "-f", "c")
	e.run("container", "rm", "c")
}

// taskIs waits for the status of a task.
func (e *engine) taskIs(name, status string) {
	e.t.Helper()
	var out string
	for deadline := time.Now().Add(patience / 2); time.Now().Before(deadline); {
		out = e.run("task", "ls")
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == name && f[2] == status {
				return
			}
		}
	}
	e.t.Fatalf("task %s is not %s:\n%s", name, status, out)
}

// fileSays waits for the content of a file.
func (e *engine) fileSays(name, want string) {
	e.t.Helper()
	var got []byte
	for deadline := time.Now().Add(patience / 2); time.Now().Before(deadline); {
		if got, _ = os.ReadFile(e.path(name)); string(got) == want {
			return
		}
	}
	e.t.Fatalf("%s: %q, want %q", name, got, want)
}

// complaints are the lines of containerd's log that are not only told for information.
func complaints(path string) string {
	text, _ := os.ReadFile(path)
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "level=info") && !strings.Contains(line, "loading plugin") {
			b.WriteString(line)
		}
	}
	return "containerd's log:\n" + b.String()
}
