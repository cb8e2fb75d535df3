// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// otherBinary names, in the environment, a program to test instead of the embedded one: one that was built with sanitizers.
const otherBinary = "CRISP_CONMON_TEST_BINARY"

// TestMain fails when the tests leave descriptors, goroutines or child processes behind.
func TestMain(m *testing.M) {
	if path := os.Getenv(otherBinary); path != "" {
		binary.once.Do(func() {
			var text []byte
			if text, binary.err = os.ReadFile(path); binary.err == nil {
				binary.file, binary.err = sealed(bytes.NewReader(text))
			}
		})
	}
	_, _ = Binary() // made once, stays open
	fds, goroutines := countFDs(), runtime.NumGoroutine()
	code := m.Run()
	if fuzzing := flag.Lookup("test.fuzz").Value.String() != ""; code == 0 && !fuzzing { // the fuzzer leaves its own behind
		code = checkLeaks(fds, goroutines)
	}
	os.Exit(code)
}

// needsRoot skips a test that looks into the monitor or makes a terminal: the monitor can't be looked into by its own user (it is not
// dumpable).
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: looks into the monitor, or makes terminals")
	}
}

func checkLeaks(fds, goroutines int) int {
	deadline := time.Now().Add(5 * time.Second)
	for {
		// One descriptor for the poller and one for its wake-up may have come to stay.
		leak := ""
		if n := countFDs(); n > fds+2 {
			leak = fmt.Sprintf("%d descriptors, %d before", n, fds)
		}
		if n := runtime.NumGoroutine(); n > goroutines {
			leak = fmt.Sprintf("%d goroutines, %d before", n, goroutines)
		}
		var w unix.Siginfo
		if err := unix.Waitid(unix.P_ALL, 0, &w, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); !errors.Is(err, unix.ECHILD) {
			leak = "a child process is left"
		}
		if leak == "" {
			return 0
		}
		if time.Now().After(deadline) {
			fmt.Fprintln(os.Stderr, "leak:", leak)
			return 1
		}
		runtime.Gosched()
	}
}

func countFDs() int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(d) - 1
}

// monitor is a monitor under test.
type monitor struct {
	*Client
	t   testing.TB
	dir string
	ctx context.Context
}

func startMonitor(t testing.TB) *monitor {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	m := &monitor{t: t, dir: t.TempDir(), ctx: ctx}
	var err error
	m.Client, err = Start(ctx, StartConfig{SocketPath: m.socket(), Stderr: os.Stderr})
	if errors.Is(err, ErrNoBinary) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.stop)
	return m
}

func (m *monitor) socket() string { return filepath.Join(m.dir, "conmon.sock") }

func (m *monitor) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := m.Shutdown(ctx, true); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrGone) {
		m.t.Errorf("shutdown: %v", err)
	}
	m.Close()
}

// needRoot skips a test that makes namespaces or looks into the monitor.
func needRoot(t testing.TB) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes namespaces or looks into the monitor")
	}
}

func newID() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// script is a plan that runs a shell script, with steps before its barrier or its exec.
func script(text string, barrier bool, steps ...plan.Step) *plan.Plan {
	p := plan.New()
	p.Add(plan.Make(plan.OpSetsid, "new session"))
	p.Add(plan.Make(plan.OpStdio, "stdio"))
	for _, s := range steps {
		p.Add(s)
	}
	if barrier {
		p.Add(plan.Make(plan.OpBarrier, "created"))
	}
	p.Add(execStep("/bin/sh", "sh", "-c", text))
	return p
}

func execStep(path string, argv ...string) plan.Step {
	s := plan.Make(plan.OpExec, "start "+path)
	s.Str[0], s.Argv, s.Env = path, argv, []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	return s
}

// container is a container under test, with its log and exit directory.
type container struct {
	m       *monitor
	id      string
	log     string
	exitDir string
	Process
}

// create makes a container of a script. with may change the request.
func (m *monitor) create(text string, with ...func(*CreateRequest)) *container {
	m.t.Helper()
	c, err := m.tryCreate(script(text, true), with...)
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

func (m *monitor) tryCreate(p *plan.Plan, with ...func(*CreateRequest)) (*container, error) {
	m.t.Helper()
	c := &container{m: m, id: newID()}
	c.exitDir = filepath.Join(m.dir, c.id)
	c.log = filepath.Join(c.exitDir, "0.log")
	if err := os.Mkdir(c.exitDir, 0o700); err != nil {
		m.t.Fatal(err)
	}
	log := openLog(m.t, c.log)
	defer log.Close()
	dir, err := os.Open(c.exitDir)
	if err != nil {
		m.t.Fatal(err)
	}
	defer dir.Close()
	r := CreateRequest{ID: c.id, Plan: p, Log: log, ExitDir: dir}
	for _, w := range with {
		w(&r)
	}
	c.Process, err = m.Create(m.ctx, r)
	if err == nil {
		m.t.Cleanup(func() { c.Process.Close() })
	}
	return c, err
}

func openLog(t testing.TB, path string) *os.File {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (c *container) start() *container {
	c.m.t.Helper()
	if err := c.m.StartContainer(c.m.ctx, c.id); err != nil {
		c.m.t.Fatal(err)
	}
	return c
}

// wait waits for the exit of this container; those of others are lost.
func (c *container) wait() Exit {
	c.m.t.Helper()
	for {
		select {
		case e, ok := <-c.m.Events():
			if !ok {
				c.m.t.Fatalf("no event: %v", c.m.Err())
			}
			if x := e.(EventExit); x.ID == c.id {
				return x.Exit
			}
		case <-c.m.ctx.Done():
			c.m.t.Fatal("no exit event")
		}
	}
}

func (c *container) run() Exit {
	c.m.t.Helper()
	return c.start().wait()
}

func (c *container) readLog() string {
	c.m.t.Helper()
	b, err := os.ReadFile(c.log)
	if err != nil {
		c.m.t.Fatal(err)
	}
	return string(b)
}

// records are the log's records without their times, "stdout F hello" each.
func (c *container) records() []string {
	c.m.t.Helper()
	text := c.readLog()
	if text == "" {
		return nil
	}
	if !strings.HasSuffix(text, "\n") {
		c.m.t.Errorf("log ends in the middle of a record: %q", text[max(0, len(text)-100):])
	}
	var out []string
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		stamp, rest, _ := strings.Cut(line, " ")
		if _, err := time.Parse(time.RFC3339Nano, stamp); err != nil {
			c.m.t.Errorf("log record %.100q: %v", line, err)
		}
		out = append(out, rest)
	}
	return out
}

// pipe gives both ends of a pipe, which the test closes at its end at the latest.
func pipe(t testing.TB) (r, w *os.File) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// eventually waits for a condition that no descriptor tells.
func (m *monitor) eventually(what string, cond func() bool) {
	m.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-m.ctx.Done():
			m.t.Fatalf("never: %s", what)
		}
	}
}
