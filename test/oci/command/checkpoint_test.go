// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// needsCriu skips where criu is not installed, and where it cannot work with the kernel, and says why.
func needsCriu(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("criu"); err != nil {
		t.Skip("criu is not installed")
	}
	if out, err := exec.Command("criu", "check").CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Skipf("criu cannot work here: %s", lines[0])
	}
}

func TestCheckpointWithoutCriu(t *testing.T) {
	b := newBench(t)
	c := b.running(waiting)
	without := func(args ...string) result {
		cmd := b.command(args...)
		cmd.Env = append(os.Environ(), "PATH=/nonexistent")
		return b.run(cmd)
	}
	images := filepath.Join(b.dir, "images")
	if r := without("checkpoint", "--image-path", images, c.id); r.code != 1 || !strings.Contains(r.errs, "criu") {
		t.Errorf("checkpoint: %v", r)
	}
	b.status(c, "running")
	d := b.bundle(waiting)
	if r := without("restore", "--detach", "--bundle", d.bundle, "--image-path", images, d.id); r.code != 1 || !strings.Contains(r.errs, "criu") {
		t.Errorf("restore: %v", r)
	}
	b.fails(1, "does not exist", "state", d.id)
}

func TestCheckpointIsRefused(t *testing.T) {
	b := newBench(t)
	c, images := b.bundle(waiting), filepath.Join(b.dir, "images")
	b.fails(1, "does not exist", "checkpoint", "--image-path", images, c.id)
	b.ok("create", "--bundle", c.bundle, c.id)
	b.fails(1, "cannot be checkpointed in created state", "checkpoint", "--image-path", images, c.id)
	b.ok("start", c.id)
	for _, flags := range [][]string{
		{"--parent-path", "/tmp"}, {"--parent-path", "../nothing"}, {"--empty-ns", "mount"}, {"--page-server", "nowhere"}, {"--page-server", "a:b"},
		{"--manage-cgroups-mode", "hard"}, {"--lazy-pages", "--status-fd", "77"},
	} {
		if flags[0] == "--lazy-pages" && place.peer {
			continue // it asks criu first
		}
		b.fails(1, "", append(append([]string{"checkpoint", "--image-path", images}, flags...), c.id)...)
	}
	b.ok("kill", c.id, "KILL")
	b.status(c, "stopped")
	b.fails(1, "cannot be checkpointed in stopped state", "checkpoint", "--image-path", images, c.id)
}

// A directory of images from elsewhere has links to files of the host: criu writes logs and statistics by name, and its memory images too. The
// runtime must not let it.
func TestImagesDoNotLeadOutside(t *testing.T) {
	b := newBench(t)
	b.newer("runc leaves the names to criu", false)
	victim := filepath.Join(b.dir, "victim")
	if err := os.WriteFile(victim, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := b.running(waiting)
	for _, name := range []string{"restore.log", "dump.log", "stats-restore", "stats-dump", "descriptors.json", "pages-1.img", "inventory.img", ".criu.cgyard"} {
		images, d := filepath.Join(b.dir, "images-"+name), b.bundle(waiting)
		if err := os.Mkdir(images, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(victim, filepath.Join(images, name)); err != nil {
			t.Fatal(err)
		}
		b.fails(1, "not the images of a checkpoint", "restore", "--detach", "--bundle", d.bundle, "--image-path", images, d.id)
		b.fails(1, "not the images of a checkpoint", "checkpoint", "--image-path", images, c.id)
		if strings.HasSuffix(name, ".log") || strings.HasPrefix(name, "stats") || strings.HasPrefix(name, ".criu") { // those that criu has there
			b.fails(1, "not the images of a checkpoint", "checkpoint", "--image-path", filepath.Join(b.dir, "good"), "--work-path", images, c.id)
		}
		b.fails(1, "does not exist", "state", d.id)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "untouched" {
		t.Errorf("the file outside: %q, %v", text, err)
	}
	b.status(c, "running")
}

// counts is a workload that counts the lines that it reads, in a file of a tmpfs of its own too.
const counts = `n=0; while read line; do n=$((n+1)); echo $n > /dev/shm/n; echo "$n $line"; done; exit 3`

// A pair of pipes that a workload has as its stdio.
type pipes struct {
	in       *os.File
	out      *bufio.Reader
	theirs   [2]*os.File
	closeAll func()
}

func (b *bench) pipes() *pipes {
	b.Helper()
	r1, w1, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	r2, w2, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	p := &pipes{in: w1, out: bufio.NewReader(r2), theirs: [2]*os.File{r1, w2}}
	p.closeAll = func() {
		for _, f := range []*os.File{r1, w1, r2, w2} {
			f.Close()
		}
	}
	b.Cleanup(p.closeAll)
	return p
}

// connect runs a command of the runtime with the pipes.
func (b *bench) connect(p *pipes, args ...string) {
	b.Helper()
	cmd := b.command(args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.theirs[0], p.theirs[1], p.theirs[1] // what is not of the container cannot be saved, but for pipes
	if err := cmd.Run(); err != nil {
		p.theirs[1].Close()
		said, _ := p.out.ReadString(0)
		b.Fatalf("%v: %v\n%s", args, err, said)
	}
}

func (b *bench) asks(p *pipes, line, want string) {
	b.Helper()
	if _, err := p.in.WriteString(line + "\n"); err != nil {
		b.Fatal(err)
	}
	if got, err := p.out.ReadString('\n'); err != nil || got != want+"\n" {
		b.Fatalf("%q, %v, want %q", got, err, want)
	}
}

func TestARestoredContainerGoesOn(t *testing.T) {
	b := newBench(t)
	needsCriu(t)
	hook := filepath.Join(b.dir, "hook")
	c := b.bundle(counts, func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Type: "bind", Source: b.dir, Options: []string{"bind", "ro"}})
		s.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo stopped >> " + hook}}}}
		s.Hooks.CreateRuntime = []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo created >> " + hook}}}
	})
	images, p := filepath.Join(b.dir, "images"), b.pipes()
	b.connect(p, "run", "--detach", "--bundle", c.bundle, c.id)
	b.asks(p, "a", "1 a")
	b.ok("checkpoint", "--leave-running", "--image-path", filepath.Join(b.dir, "first"), c.id)
	b.asks(p, "b", "2 b")

	b.ok("checkpoint", "--pre-dump", "--image-path", filepath.Join(b.dir, "before"), c.id)
	b.status(c, "running")
	b.ok("checkpoint", "--image-path", images, "--parent-path", "../before", "--work-path", filepath.Join(b.dir, "work"), c.id)
	b.fails(1, "does not exist", "state", c.id)
	if _, err := os.Stat(filepath.Join(b.dir, "work", "dump.log")); err != nil {
		t.Error(err)
	}

	q, pidFile := b.pipes(), filepath.Join(b.dir, "pid")
	b.connect(q, "restore", "--detach", "--bundle", c.bundle, "--image-path", images, "--pid-file", pidFile, c.id)
	b.status(c, "running")
	if pid, err := os.ReadFile(pidFile); err != nil || string(pid) != itoa(b.pid(c)) {
		t.Errorf("pid file %q, %v", pid, err)
	}
	b.asks(q, "c", "3 c")
	if out := b.ok("exec", c.id, "/bin/sh", "-c", "cat /dev/shm/n; ls /mnt/images/inventory.img; cat /proc/keys | wc -c"); out != "3\n/mnt/images/inventory.img\n0\n" {
		t.Errorf("%q", out)
	}
	b.ok("pause", c.id)
	b.status(c, "paused")
	b.ok("resume", c.id)
	b.ok("kill", c.id, "KILL")
	b.status(c, "stopped")
	b.ok("delete", c.id)
	if text, err := os.ReadFile(hook); err != nil || string(text) != "created\nstopped\ncreated\nstopped\n" {
		t.Errorf("hooks: %q, %v", text, err)
	}
	p.closeAll()

	// In the foreground, with the exit code of the workload.
	r := b.pipes()
	cmd := b.command("restore", "--bundle", c.bundle, "--image-path", images, c.id)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r.theirs[0], r.theirs[1], r.theirs[1]
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b.asks(r, "d", "3 d")
	r.theirs[0].Close()
	r.in.Close()
	if got := b.finish(cmd); got.code != 3 {
		t.Errorf("%v", got)
	}
	b.fails(1, "does not exist", "state", c.id)
}

// Where a restored container is, its config.json says, not the checkpoint: its network namespace, its cgroup, its mounts, whose places are made again.
func TestARestoredContainerIsWhereItsConfigurationSays(t *testing.T) {
	b := newBench(t)
	needsCriu(t)
	network := exec.Command("sleep", "1000")
	network.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := network.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = network.Process.Kill(); _ = network.Wait() }()
	ns := "/proc/" + itoa(network.Process.Pid) + "/ns/net"
	outer, inner := filepath.Join(b.dir, "outer"), filepath.Join(b.dir, "inner")
	for _, d := range []string{outer, inner} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	change := func(s *specs.Spec) {
		for i := range s.Linux.Namespaces {
			if s.Linux.Namespaces[i].Type == specs.NetworkNamespace {
				s.Linux.Namespaces[i].Path = ns
			}
		}
		s.Mounts = append(s.Mounts,
			specs.Mount{Destination: "/mnt", Type: "bind", Source: outer, Options: []string{"bind"}},
			specs.Mount{Destination: "/mnt/for/nested", Type: "bind", Source: inner, Options: []string{"bind"}})
	}
	c := b.bundle(counts, change)
	images, p := filepath.Join(b.dir, "images"), b.pipes()
	b.connect(p, "run", "--detach", "--bundle", c.bundle, c.id)
	b.asks(p, "a", "1 a")
	b.ok("checkpoint", "--manage-cgroups-mode", "ignore", "--image-path", images, c.id)
	if err := os.RemoveAll(filepath.Join(outer, "for")); err != nil {
		t.Fatal(err)
	}
	d, q := b.bundle(counts, change), b.pipes()
	b.connect(q, "restore", "--detach", "--manage-cgroups-mode", "ignore", "--bundle", d.bundle, "--image-path", images, d.id)
	b.asks(q, "b", "2 b")
	pid := itoa(b.pid(d))
	want, err := os.Readlink(ns)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.Readlink("/proc/" + pid + "/ns/net"); err != nil || got != want {
		t.Errorf("network namespace %s, %v, want %s", got, err, want)
	}
	if text, err := os.ReadFile("/proc/" + pid + "/cgroup"); err != nil || !strings.Contains(string(text), b.cgroup+"/"+d.id+"\n") {
		t.Errorf("cgroup %s, %v", text, err)
	}
	if err := os.WriteFile(filepath.Join(inner, "file"), []byte("there\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := b.ok("exec", d.id, "cat", "/mnt/for/nested/file"); out != "there\n" {
		t.Errorf("%q", out)
	}
	b.ok("delete", "--force", d.id)
}

func TestARestoredTerminal(t *testing.T) {
	b := newBench(t)
	needsCriu(t)
	c := b.bundle(counts, terminal)
	console, images := b.sink(), filepath.Join(b.dir, "images")
	b.ok("run", "--detach", "--console-socket", console.path, "--bundle", c.bundle, c.id)
	master, _ := console.take(b)
	s := newScreen(master)
	if _, err := master.WriteString("a\n"); err != nil {
		t.Fatal(err)
	}
	s.wait(b, "1 a\r\n")
	b.ok("checkpoint", "--image-path", images, c.id)
	b.fails(1, "cannot allocate tty if runc will detach without setting console socket", "restore", "--detach", "--bundle", c.bundle, "--image-path", images, c.id)
	b.ok("restore", "--detach", "--console-socket", console.path, "--bundle", c.bundle, "--image-path", images, c.id)
	master, _ = console.take(b)
	s = newScreen(master)
	if _, err := master.WriteString("b\n"); err != nil {
		t.Fatal(err)
	}
	s.wait(b, "2 b\r\n")
	var state specs.State
	if err := json.Unmarshal([]byte(b.ok("state", c.id)), &state); err != nil || state.Status != "running" {
		t.Errorf("%+v, %v", state, err)
	}
}
