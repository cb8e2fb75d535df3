// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crisp/conmon"
	"crisp/oci/cgroup"
	"crisp/oci/internal/facts"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// bench is a runtime and a monitor under test.
type bench struct {
	testing.TB
	ctx     context.Context
	runtime *Runtime
	monitor *conmon.Client
	exits   chan conmon.EventExit
	seen    map[string]conmon.Exit
}

func newBench(t testing.TB) *bench {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("makes containers: needs root")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	cgroups, err := cgroup.New(cgroup.Config{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cgroups.Close() })
	b := &bench{TB: t, ctx: ctx, seen: map[string]conmon.Exit{}}
	if b.runtime, err = New(Config{Cgroups: cgroups, Log: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.runtime.Close() })
	b.startMonitor()
	return b
}

func (b *bench) startMonitor() {
	b.Helper()
	var err error
	b.monitor, err = conmon.Start(b.ctx, conmon.StartConfig{SocketPath: filepath.Join(b.TempDir(), "conmon.sock")})
	if errors.Is(err, conmon.ErrNoBinary) {
		b.Skip(err)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.exits = make(chan conmon.EventExit, 1024)
	events, exits := b.monitor.Events(), b.exits
	go func() {
		for e := range events {
			if x, ok := e.(conmon.EventExit); ok {
				exits <- x
			}
		}
		close(exits)
	}()
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := b.monitor.Shutdown(ctx, true); err != nil && !errors.Is(err, conmon.ErrGone) && !errors.Is(err, conmon.ErrClosed) {
			b.Errorf("shut the monitor down: %v", err)
		}
		b.monitor.Close()
		for range exits { //nolint:revive // until the reader has ended
		}
	})
}

// wait waits for the exit of a container.
func (b *bench) wait(id string) conmon.Exit {
	b.Helper()
	for {
		if x, ok := b.seen[id]; ok {
			return x
		}
		select {
		case e, ok := <-b.exits:
			if !ok {
				b.Fatal("the monitor is gone")
			}
			b.seen[e.ID] = e.Exit
		case <-b.ctx.Done():
			b.Fatalf("no exit of %s", id)
		}
	}
}

// subject is a container under test.
type subject struct {
	*Container
	b   *bench
	dir string
}

func newID() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// rootfs makes a root file system that has nothing but the probe.
func (b *bench) rootfs() string {
	b.Helper()
	dir := b.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.Link(buildProbe(b), filepath.Join(dir, "probe")); err != nil {
		data, err := os.ReadFile(buildProbe(b))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "probe"), data, 0o755)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// spec is a container as the kubelet asks for one, on the host's network. With args the probe gets them.
func (b *bench) spec(args ...string) *specs.Spec {
	b.Helper()
	s := readSpec(b, "kubernetes")
	s.Linux.Namespaces = nil
	for _, t := range []specs.LinuxNamespaceType{
		specs.MountNamespace, specs.PIDNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.NetworkNamespace, specs.CgroupNamespace,
	} {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: t})
	}
	s.Linux.Seccomp = nil
	s.Root.Path = b.rootfs()
	s.Linux.CgroupsPath = testCgroup + "/crisp-" + newID()
	s.Process.Args = append([]string{"/probe"}, args...)
	s.Process.OOMScoreAdj = nil
	s.Mounts = s.Mounts[:6] // proc, dev, pts, mqueue, sys, cgroup
	return s
}

// create makes a container. with may change the request.
func (b *bench) create(s *specs.Spec, with ...func(*CreateRequest)) *subject {
	b.Helper()
	c, err := b.tryCreate(s, with...)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func (b *bench) tryCreate(s *specs.Spec, with ...func(*CreateRequest)) (*subject, error) {
	b.Helper()
	dir := b.TempDir()
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	exitDir, err := os.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer exitDir.Close()
	q := CreateRequest{ID: newID(), Monitor: b.monitor, Spec: s, Bundle: dir, Log: log, ExitDir: exitDir}
	for _, f := range with {
		f(&q)
	}
	c, err := b.runtime.Create(b.ctx, q)
	if err != nil {
		return nil, err
	}
	k := &subject{c, b, dir}
	b.Cleanup(func() {
		if c.Kill(unix.SIGKILL) == nil {
			b.wait(c.ID)
		}
		k.untilExited()
		if err := c.Delete(b.ctx); err != nil {
			b.Errorf("delete: %v", err)
		}
	})
	return k, nil
}

// untilExited waits for the pidfd of the first process, which may come after the monitor's event.
func (k *subject) untilExited() {
	if !k.Running() {
		return
	}
	fds := []unix.PollFd{{Fd: int32(k.Pidfd.Fd()), Events: unix.POLLIN}}
	_, _ = unix.Poll(fds, 10_000)
}

func (k *subject) start() {
	k.b.Helper()
	if err := k.Start(k.b.ctx); err != nil {
		k.b.Fatal(err)
	}
}

// run runs the container to its end.
func (k *subject) run() conmon.Exit {
	k.b.Helper()
	k.start()
	return k.b.wait(k.ID)
}

// output is the container's output, without the log's times and tags.
func (k *subject) output() string {
	k.b.Helper()
	b, err := os.ReadFile(filepath.Join(k.dir, "log"))
	if err != nil {
		k.b.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(b)) {
		part := strings.SplitN(line, " ", 4) // time, stream, tag, text
		if len(part) != 4 {
			k.b.Fatalf("log line %q", line)
		}
		text := part[3]
		if part[2] == "P" {
			text = strings.TrimSuffix(text, "\n")
		}
		out.WriteString(text)
	}
	return out.String()
}

// poll waits until something is so.
func (b *bench) poll(what string, is func() bool) {
	b.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-b.ctx.Done():
			b.Fatalf("not in time: %s", what)
		}
	}
}

// ready waits until the probe has said so, n times.
func (k *subject) ready(n int) {
	k.b.Helper()
	k.b.poll("ready", func() bool {
		if !k.Running() {
			k.b.Fatalf("container exited: %s", k.output())
		}
		return strings.Count(k.output(), "ready\n") >= n
	})
}

// untilForgotten waits until the monitor holds nothing: what a caller gave up is ended behind its back.
func (b *bench) untilForgotten() {
	b.Helper()
	b.poll("the monitor holds nothing", func() bool {
		states, err := b.monitor.List(b.ctx)
		if err != nil {
			b.Fatal(err)
		}
		for _, s := range states {
			if s.Pidfd != nil {
				s.Pidfd.Close()
			}
		}
		return len(states) == 0
	})
}

// facts runs the container, whose workload is the probe, and reads what it tells.
func (k *subject) facts() facts.Facts {
	k.b.Helper()
	if x := k.run(); x.Code != 0 {
		k.b.Fatalf("exit %+v: %s", x, k.output())
	}
	return readFacts(k.b, k.output())
}

func readFacts(t testing.TB, text string) facts.Facts {
	t.Helper()
	var f facts.Facts
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	return f
}

// exec runs the probe as a further process and returns its output and exit.
func (k *subject) exec(p *specs.Process, args ...string) (string, conmon.Exit) {
	k.b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		k.b.Fatal(err)
	}
	defer r.Close()
	process := *p
	process.Args = append([]string{"/probe"}, args...)
	e, err := k.Exec(k.b.ctx, ExecRequest{Process: &process, Stdout: w, Stderr: w})
	w.Close()
	if err != nil {
		k.b.Fatal(err)
	}
	defer e.Close()
	out, err := io.ReadAll(r)
	if err != nil {
		k.b.Fatal(err)
	}
	x, err := e.Wait(k.b.ctx)
	if err != nil {
		k.b.Fatal(err)
	}
	return string(out), x
}
