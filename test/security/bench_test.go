// SPDX-License-Identifier: Apache-2.0

package security

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"crisp/test/leak"
	"crisp/test/security/internal/report"

	"golang.org/x/sys/unix"
)

// patience bounds every call of the runtime.
const patience = 20 * time.Second

// bench is a runtime under test with a state directory of its own. When its test ends, nothing may be left.
type bench struct {
	testing.TB
	engine engine
	root   string   // the engine's --root
	dir    string   // bundles and volumes
	under  []string // what the engine runs under, as the launcher of a stopper
	files  []*os.File
	env    []string
	stdio  *os.File // the engine's stdin, stdout and stderr, instead of nothing and files
}

func newBench(t testing.TB) *bench {
	t.Helper()
	needsRoot(t)
	e, err := theEngine()
	if err != nil {
		t.Fatal(err)
	}
	scope := leak.Scope{Ancestor: os.Getpid(), Cgroup: testCgroup + "/"}
	before, err := leak.Take(scope)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{TB: t, engine: e, dir: t.TempDir()}
	if err := os.Chmod(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b.root = b.make("root")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if left, err := leak.Wait(ctx, scope, before); err != nil || left != nil {
			t.Errorf("left behind: %q, %v", left, err)
		}
	})
	return b
}

// make makes a directory of the test's.
func (b *bench) make(name string) string {
	b.Helper()
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	return dir
}

func (b *bench) file(path, text string, mode os.FileMode) string {
	b.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		b.Fatal(err)
	}
	return path
}

// result is what became of a command of the engine.
type result struct {
	b        *bench
	out, err string
	code     int
	late     bool   // it was killed for taking too long
	file     string // where the output goes on
}

// command runs the engine. Its output goes to files: a container keeps what it was created with, and a pipe would wait for it.
func (b *bench) command(args ...string) result {
	b.Helper()
	return b.commandIn("", args...)
}

func (b *bench) commandIn(stdin string, args ...string) result {
	b.Helper()
	out, errs := b.temporary("out"), b.temporary("err")
	defer out.Close()
	defer errs.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	words := append(append(append([]string{}, b.under...), b.engine.words...), append([]string{"--root", b.root}, args...)...)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = out, errs, b.files
	cmd.Env = append(os.Environ(), b.env...)
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	if b.stdio != nil {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = b.stdio, b.stdio, b.stdio
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	return result{b, read(b, out.Name()), read(b, errs.Name()), cmd.ProcessState.ExitCode(), ctx.Err() != nil, out.Name()}
}

func (b *bench) temporary(name string) *os.File {
	b.Helper()
	f, err := os.CreateTemp(b.dir, name)
	if err != nil {
		b.Fatal(err)
	}
	return f
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// ok demands success.
func (r result) ok() result {
	r.b.Helper()
	if r.code != 0 {
		r.b.Fatalf("exit %d: %s%s", r.code, r.out, r.err)
	}
	return r
}

func (r result) String() string { return fmt.Sprintf("exit %d, %q, %q", r.code, r.out, r.err) }

// report is what the attacker saw.
func (r result) report() report.Report {
	r.b.Helper()
	r.ok()
	return readReport(r.b, r.out)
}

func readReport(t testing.TB, text string) report.Report {
	t.Helper()
	var v report.Report
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	return v
}

// created is a container in any state.
type created struct {
	*bundle
	id      string
	pid     int
	file    string // its output
	deleted bool
}

// create makes a container; its output goes to a file.
func (k *bundle) create(args ...string) *created {
	k.b.Helper()
	c, r := k.tryCreate(args...)
	if c == nil {
		k.b.Fatal(r)
	}
	return c
}

func (k *bundle) tryCreate(args ...string) (*created, result) {
	k.b.Helper()
	k.save()
	id := k.b.id()
	pidFile := filepath.Join(k.dir, "pid-"+id)
	args = append(append([]string{"create", "--bundle", k.dir, "--pid-file", pidFile}, args...), id)
	r := k.b.command(args...)
	if r.code != 0 {
		k.b.forget(id)
		return nil, r
	}
	pid, err := strconv.Atoi(strings.TrimSpace(read(k.b, pidFile)))
	if err != nil {
		k.b.Fatal(err)
	}
	c := &created{bundle: k, id: id, pid: pid, file: r.file}
	k.b.Cleanup(c.delete)
	return c, r
}

// ids counts the names of all tests: one that failed may have left something.
var ids int

func (b *bench) id() string { ids++; return fmt.Sprintf("c%d-%d", os.Getpid(), ids) }

// forget removes what a failed command may have left. A runtime that leaves nothing has nothing to remove.
func (b *bench) forget(id string) {
	b.Helper()
	if _, err := os.Stat(filepath.Join(b.root, id)); err == nil {
		b.command("delete", "--force", id)
	}
}

func (c *created) start() *created {
	c.b.Helper()
	c.b.command("start", c.id).ok()
	return c
}

// running creates and starts.
func (k *bundle) running() *created {
	k.b.Helper()
	return k.create().start()
}

// exec runs the attacker in the container. flags are of the engine's exec.
func (c *created) exec(flags []string, args ...string) result {
	c.b.Helper()
	return c.b.command(append(append(append([]string{"exec"}, flags...), c.id, "/attacker"), args...)...)
}

func (c *created) signal(s string) {
	c.b.Helper()
	c.b.command("kill", c.id, s).ok()
}

// delete ends the container and reaps its first process, which is our child since the engine has exited.
func (c *created) delete() {
	c.b.Helper()
	if c.deleted {
		return
	}
	c.deleted = true
	_ = unix.Kill(c.pid, unix.SIGKILL)
	c.reap()
	c.b.command("delete", "--force", c.id).ok()
}

func (c *created) reap() { _, _ = unix.Wait4(c.pid, nil, 0, nil) }

// output is what the container has printed.
func (c *created) output() string { return read(c.b, c.file) }

// ready waits until the attacker says so.
func (c *created) ready() *created {
	c.b.Helper()
	c.b.until("ready", func() bool { return contains(c.output(), "ready\n") })
	return c
}

// until waits for something.
func (b *bench) until(what string, is func() bool) {
	b.Helper()
	end := time.Now().Add(patience)
	for tick := time.NewTicker(time.Millisecond); !is(); <-tick.C {
		if time.Now().After(end) {
			b.Fatalf("not in time: %s", what)
		}
	}
}

// contains finds a needle without printing the hay.
func contains(hay, needle string) bool { return bytes.Contains([]byte(hay), []byte(needle)) }
