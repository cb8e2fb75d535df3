// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A bench is what one or more rows work with: a directory, a state directory of the runtime, and what they found wrong.
type bench struct {
	dir, state string
	problems   []string
	cleanups   []func()
	ids        []string
}

// stopped is what fatalf panics with.
type stopped struct{}

func (b *bench) errorf(format string, a ...any) {
	b.problems = append(b.problems, fmt.Sprintf(format, a...))
}

func (b *bench) fatalf(format string, a ...any) {
	b.errorf(format, a...)
	panic(stopped{})
}

func (b *bench) must(err error) {
	if err != nil {
		b.fatalf("%v", err)
	}
}

func (b *bench) cleanup(f func()) { b.cleanups = append(b.cleanups, f) }

// withBench calls f and returns what went wrong, what was left behind included.
func withBench(f func(*bench)) []string {
	b := &bench{}
	b.guard(func() {
		dir, err := os.MkdirTemp("", "o")
		b.must(err)
		b.must(os.Chmod(dir, 0o755)) // root of a user namespace goes through it
		b.dir, b.state = dir, filepath.Join(dir, "state")
		b.must(os.Mkdir(b.state, 0o700))
		f(b)
	})
	for _, c := range slices.Backward(b.cleanups) {
		b.guard(c)
	}
	b.guard(b.leaks)
	b.must(os.RemoveAll(b.dir))
	return b.problems
}

// guard ends a fatalf.
func (b *bench) guard(f func()) {
	defer func() {
		if r := recover(); r != nil && r != any(stopped{}) { // clear up all the same
			b.errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	f()
}

// containers are the names in the state directory.
func (b *bench) containers() []string {
	entries, err := os.ReadDir(b.state)
	b.must(err)
	var names []string
	for _, e := range entries {
		if e.Name() != "@seccomp" { // crisp-oci's cache of filters; no container can be called so
			names = append(names, e.Name())
		}
	}
	return names
}

// leaks looks for what containers of this bench have left; package leak looks for the rest, a whole test at a time.
func (b *bench) leaks() {
	if len(b.containers()) > 0 { // a failed test's
		for _, id := range b.ids {
			b.command("delete", "--force", id)
		}
	}
	for _, name := range b.containers() {
		b.errorf("left behind: %s in the state directory", name)
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(b.dir))
	b.must(err)
	for _, m := range slices.Backward(mounts) {
		b.errorf("left behind: mount %s", m.Mountpoint)
		_ = unix.Unmount(m.Mountpoint, unix.MNT_DETACH)
	}
	for _, id := range b.ids {
		for _, dir := range cgroupDirs(place.cgroup + "/" + id) {
			b.errorf("left behind: %s", dir)
		}
		b.must(removeCgroups(place.cgroup + "/" + id))
	}
}

const unifiedHierarchy = "/sys/fs/cgroup/unified"

// hidden says that the unified hierarchy is hidden from crun, which then makes plain directories in its place.
var hidden bool

// cgroupDirs are the directories of a cgroup in all hierarchies.
func cgroupDirs(name string) []string {
	var found []string
	v1, _ := filepath.Glob("/sys/fs/cgroup/*" + name)
	for _, dir := range append(v1, "/sys/fs/cgroup"+name) {
		if _, err := os.Stat(dir); err != nil || hidden && strings.HasPrefix(dir, unifiedHierarchy) && os.RemoveAll(dir) == nil {
			continue
		}
		found = append(found, dir)
	}
	return found
}

var count atomic.Int64

// id of a new container; it is deleted in the end.
func (b *bench) id() string {
	id := fmt.Sprintf("c%d", count.Add(1))
	b.ids = append(b.ids, id)
	return id
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) file(path, text string, mode os.FileMode) string {
	b.must(os.MkdirAll(filepath.Dir(path), 0o755))
	b.must(os.WriteFile(path, []byte(text), mode))
	b.must(os.Chmod(path, mode))
	return path
}

// made makes a directory below the bench's.
func (b *bench) made(name string) string {
	b.must(os.MkdirAll(b.path(name), 0o755))
	return b.path(name)
}

// patience bounds a command and every wait.
const patience = 30 * time.Second

// result of a command.
type result struct {
	code      int
	out, errs string
}

func (r result) String() string { return fmt.Sprintf("code %d, %q, %q", r.code, r.out, r.errs) }

// command runs one of the runtime's.
func (b *bench) command(args ...string) result { return b.commandWith(nil, args...) }

// commandWith changes how it is run.
func (b *bench) commandWith(change func(*exec.Cmd), args ...string) result {
	return b.begin(change, args...).wait()
}

// begun is a command that runs.
type begun struct {
	b         *bench
	cmd       *exec.Cmd
	out, errs string // files
	cancel    context.CancelFunc
	ctx       context.Context
}

// begin starts a command. What it prints goes to files, which containers hold open for as long as they run. So does what it reads: crun
// gives stdin to the container's user, and that is not to be /dev/null.
func (b *bench) begin(change func(*exec.Cmd), args ...string) *begun {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	cmd := exec.CommandContext(ctx, place.runtime, append([]string{"--root", b.state}, args...)...)
	var files [3]*os.File
	for i := range files {
		f, err := os.CreateTemp(b.dir, "stdio")
		b.must(err)
		defer f.Close()
		files[i] = f
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[1], files[2]
	if change != nil {
		change(cmd)
	}
	if err := cmd.Start(); err != nil {
		cancel()
		b.fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return &begun{b: b, cmd: cmd, out: files[1].Name(), errs: files[2].Name(), ctx: ctx, cancel: cancel}
}

func (g *begun) wait() result {
	defer g.cancel()
	what := strings.Join(g.cmd.Args[3:], " ")
	err := g.cmd.Wait()
	if g.ctx.Err() != nil {
		g.b.fatalf("%s: not done after %v", what, patience)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		g.b.fatalf("%s: %v", what, err)
	}
	return result{code: g.cmd.ProcessState.ExitCode(), out: g.b.text(g.out), errs: g.b.text(g.errs)}
}

func (b *bench) text(path string) string {
	t, err := os.ReadFile(path)
	b.must(err)
	return string(t)
}

// answering is begin for a run whose probe stays; it waits until that has answered.
func (k *bundle) answering(id string) *begun {
	k.save(id, "stay")
	g := k.begin(nil, k.args("run", id)...)
	k.eventually("the probe's answers", func() bool { return strings.HasSuffix(k.text(g.out), "\n") })
	return g
}

// ok is command for one that succeeds.
func (b *bench) ok(args ...string) result {
	r := b.command(args...)
	if r.code != 0 {
		b.fatalf("%s: %v", strings.Join(args, " "), r)
	}
	return r
}

// fails is command for one that does not, and says so.
func (b *bench) fails(args ...string) result {
	r := b.command(args...)
	if r.code == 0 {
		b.errorf("%s succeeds: %v", strings.Join(args, " "), r)
	}
	if r.errs == "" && r.code != 0 {
		b.errorf("%s: fails without a word", strings.Join(args, " "))
	}
	return r
}

// stateOf asks for the state JSON.
func (b *bench) stateOf(id string) specs.State {
	var s specs.State
	r := b.ok("state", id)
	if err := json.Unmarshal([]byte(r.out), &s); err != nil {
		b.fatalf("state: %v: %q", err, r.out)
	}
	return s
}

// becomes waits for a status.
func (b *bench) becomes(id string, status specs.ContainerState) {
	end := time.Now().Add(patience)
	for s := b.stateOf(id).Status; s != status; s = b.stateOf(id).Status {
		if time.Now().After(end) {
			b.fatalf("%s is %s, not %s", id, s, status)
		}
	}
}

// eventually waits until f says yes.
func (b *bench) eventually(what string, f func() bool) {
	for end := time.Now().Add(patience); !f(); {
		if time.Now().After(end) {
			b.fatalf("not in time: %s", what)
		}
		time.Sleep(2 * time.Millisecond) // the next look, not a guess at how long it takes
	}
}

// answers of the probe.
type answers map[string]string

func (b *bench) answers(text string) answers {
	var a answers
	if err := json.NewDecoder(bytes.NewReader([]byte(text))).Decode(&a); err != nil {
		b.fatalf("the probe's answers: %v: %q", err, text)
	}
	return a
}
