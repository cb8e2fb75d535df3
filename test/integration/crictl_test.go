// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crisp/test/build"
	"crisp/test/images"
)

// crictl is the command, ready to run, with a deadline longer than its default of 2 s.
func (n *node) crictl(args ...string) *exec.Cmd {
	n.t.Helper()
	binary, err := build.Crictl(n.ctx)
	n.must(err)
	socket := "unix://" + n.daemon.Socket()
	return exec.CommandContext(n.ctx, binary, append([]string{"-c", "/dev/null", "-r", socket, "-i", socket, "-t", "20s"}, args...)...)
}

// crictlOutput runs it and returns what it wrote, trimmed.
func (n *node) crictlOutput(args ...string) string {
	n.t.Helper()
	cmd := n.crictl(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		n.t.Fatalf("crictl %q: %v\n%s%s", args, err, out, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// writeJSON writes a config file for crictl.
func (n *node) writeJSON(name string, v any) string {
	n.t.Helper()
	data, err := json.Marshal(v)
	n.must(err)
	path := filepath.Join(n.dir, name)
	n.must(os.WriteFile(path, data, 0o644))
	return path
}

type object = map[string]any

// crictlPod makes a pod with one container by crictl alone.
func (n *node) crictlPod(container object) (podID, ctrID string) {
	n.t.Helper()
	pod := n.writeJSON("pod.json", object{
		"metadata":      object{"name": "by-hand", "namespace": "default", "uid": "by-hand-uid"},
		"hostname":      "by-hand",
		"log_directory": filepath.Join(n.dir, "logs"),
		"linux":         object{},
	})
	container["metadata"] = object{"name": "main"}
	if container["image"] == nil {
		container["image"] = object{"image": images.Busybox}
	}
	container["log_path"] = "main.log"
	container["linux"] = object{}
	ctr := n.writeJSON("container.json", container)
	podID = n.crictlOutput("runp", pod)
	ctrID = n.crictlOutput("create", podID, ctr, pod)
	wantText(n.t, n.crictlOutput("start", ctrID), ctrID)
	return podID, ctrID
}

const counter = "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.05; done"

func TestCrictlGoesThroughAPodsLife(t *testing.T) {
	n := newNode(t)
	wantText(t, n.crictlOutput("info"), `"NetworkReady"`)
	wantText(t, n.crictlOutput("version"), "crisp")
	wantText(t, n.crictlOutput("pull", images.Nginx), "sha256:")
	wantText(t, n.crictlOutput("images"), "e2e-test-images/nginx")
	podID, ctrID := n.crictlPod(object{"command": []string{"sh", "-c", counter}})
	wantText(t, n.crictlOutput("pods"), "Ready")
	wantText(t, n.crictlOutput("ps"), "Running")
	for command, id := range map[string]string{"inspect": ctrID, "inspectp": podID, "inspecti": images.Nginx} {
		var parsed struct{ Status struct{ Id string } }
		n.must(json.Unmarshal([]byte(n.crictlOutput(command, id)), &parsed))
		if parsed.Status.Id == "" {
			t.Errorf("crictl %s %s shows no ID", command, id)
		}
	}
	wantText(t, n.crictlOutput("stats"), ctrID[:13])
	wantText(t, n.crictlOutput("exec", "--sync", ctrID, "echo", "hello"), "hello")
	n.eventually("a line in the log", func() bool { return strings.Contains(n.crictlOutput("logs", ctrID), "line 0") })

	n.crictlOutput("stop", "--timeout", "0", ctrID)
	wantText(t, n.crictlOutput("ps", "-a"), "Exited")
	n.crictlOutput("rm", ctrID)
	n.crictlOutput("stopp", podID)
	wantText(t, n.crictlOutput("pods"), "NotReady")
	n.crictlOutput("rmp", podID)
	n.crictlOutput("rmi", images.Nginx)
	for _, list := range [][]string{{"pods", "-q"}, {"ps", "-aq"}, {"images", "-q", images.Nginx}} {
		if got := n.crictlOutput(list...); got != "" {
			t.Errorf("crictl %q still shows %q", list, got)
		}
	}
}

func TestCrictlFollowsLogs(t *testing.T) {
	n := newNode(t)
	_, ctrID := n.crictlPod(object{"command": []string{"sh", "-c", counter}})
	var out lockedBuffer
	follow := n.crictl("logs", "-f", ctrID)
	follow.Stdout = &out
	n.must(follow.Start())
	n.eventually("ten lines are followed", func() bool { return strings.Contains(out.String(), "line 10\n") })
	n.must(n.Stop(n.ctx, ctrID, 0))
	n.must(follow.Wait()) // it ends with the container
}

func TestCrictlExecOnATerminal(t *testing.T) {
	n := newNode(t)
	_, ctrID := n.crictlPod(object{"command": []string{"sleep", "1000"}})
	term := onTerminal(t, n.crictl("exec", "-it", ctrID, "sh"))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the terminal: %q", term.read())
			_ = term.cmd.Process.Kill() // it may have ended
			_ = term.wait()
		}
	})
	shows := func(part string) {
		t.Helper()
		n.eventually("the terminal shows "+part, func() bool { return strings.Contains(term.read(), part) })
	}
	shows("#")
	sized := func(size string) {
		t.Helper()
		n.eventually("the size "+size+" arrives", func() bool {
			term.write("stty size\n")
			return strings.Contains(term.read(), size)
		})
	}
	sized("40 100")
	term.resize(50, 120)
	sized("50 120")
	term.write("tty\n")
	shows("/dev/pts/")
	term.write("sleep 77\n")
	n.eventually("the sleep runs", func() bool { return strings.Contains(n.exec(ctrID, "ps"), " sleep 77\n") })
	term.write("\x03") // ^C ends the sleep and not the shell
	term.write("echo still $((40 + 2))\n")
	shows("still 42")
	term.write("exit 6\n")
	err := term.wait()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() == 0 {
		t.Errorf("crictl ended with %v after exit 6", err)
	}
	wantText(t, term.read(), "code 6")
}

func TestCrictlExecPassesStdin(t *testing.T) {
	n := newNode(t)
	_, ctrID := n.crictlPod(object{"command": []string{"sleep", "1000"}})
	cmd := n.crictl("exec", "-i", ctrID, "wc", "-c")
	cmd.Stdin = strings.NewReader(strings.Repeat("x", 1<<20))
	out, err := cmd.CombinedOutput()
	n.must(err)
	if got := strings.TrimSpace(string(out)); got != itoa(1<<20) {
		t.Errorf("%q bytes arrived", got)
	}
}

func TestCrictlAttaches(t *testing.T) {
	n := newNode(t)
	_, ctrID := n.crictlPod(object{"command": []string{"sh", "-c", "while read l; do echo got $l; done"}, "stdin": true, "stdin_once": true})
	attach := n.crictl("attach", "-i", ctrID)
	stdin, err := attach.StdinPipe()
	n.must(err)
	var out lockedBuffer
	attach.Stdout, attach.Stderr = &out, &out
	n.must(attach.Start())
	_, err = stdin.Write([]byte("one\ntwo\n"))
	n.must(err)
	n.eventually("the container answers", func() bool { return strings.Contains(out.String(), "got one\ngot two\n") })
	n.must(stdin.Close())
	if s := n.exited(ctrID); s.ExitCode != 0 { // stdin_once: its end is the container's
		t.Errorf("exit code %d", s.ExitCode)
	}
	n.must(attach.Wait())
}

func TestCrictlForwardsPorts(t *testing.T) {
	n := newNode(t)
	n.pull(images.Nginx)
	podID, ctrID := n.crictlPod(object{"image": object{"image": images.Nginx}})
	n.eventually("the server listens", func() bool { // the first refused connection ends crictl
		resp, err := n.ExecSynchronously(n.ctx, ctrID, "wget", "-q", "-O", "-", "http://127.0.0.1/")
		n.must(err)
		return resp.ExitCode == 0
	})
	port := freePort(t)
	forward := n.crictl("port-forward", podID, port+":80")
	var out lockedBuffer
	forward.Stdout, forward.Stderr = &out, &out
	n.must(forward.Start())
	n.eventuallyServes("http://127.0.0.1:" + port + "/")
	n.must(forward.Process.Signal(os.Interrupt))
	done := make(chan struct{})
	go func() { _ = forward.Wait(); close(done) }() // it ends by our signal
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Errorf("it still runs: %s", out.String())
		n.check(forward.Process.Kill())
		<-done
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
