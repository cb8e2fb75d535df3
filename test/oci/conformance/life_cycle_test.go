// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func verifyCreate(b *bench) {
	k := b.bundle()
	c := k.create()
	s := b.stateOf(c.id)
	if s.Status != specs.StateCreated || s.ID != c.id || s.Bundle != k.dir || s.Version == "" || s.Pid <= 0 {
		b.errorf("state %+v", s)
	}
	if text, _ := os.ReadFile(c.out); len(text) > 0 {
		b.errorf("the program runs already: %q", text)
	}
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", s.Pid)); filepath.Base(exe) == "probe" {
		b.errorf("the program runs already: %s, %v", exe, err)
	}
	c.start()
	c.stop()
	c.delete()
}

func verifyState(b *bench) {
	k := b.bundle()
	k.Annotations = map[string]string{"org.example/a": "one", "b": ""}
	c := k.create()
	c.start()
	s := b.stateOf(c.id)
	if s.Status != specs.StateRunning || s.Pid != c.pid || s.Annotations["org.example/a"] != "one" {
		b.errorf("running: %+v", s)
	}
	if _, ok := s.Annotations["b"]; !ok {
		b.errorf("an empty annotation is lost: %+v", s)
	}
	c.stop()
	c.becomes(c.id, specs.StateStopped)
	if s := b.stateOf(c.id); s.Status != specs.StateStopped || s.Pid != 0 {
		b.errorf("stopped: %+v", s)
	}
	c.delete()
	b.fails("state", c.id)
	b.fails("state", "never-there")
	b.fails("state")
}

func verifyStart(b *bench) {
	c := b.bundle().create()
	c.start()
	b.fails("start", c.id) // it runs
	c.stop()
	b.fails("start", c.id) // it is stopped
	c.delete()
	b.fails("start", c.id)
}

func verifyKill(b *bench) {
	for _, signal := range []string{"USR1", "SIGUSR1", strconv.Itoa(int(unix.SIGUSR1))} {
		c := b.bundle().create()
		c.start()
		c.ok("kill", c.id, signal)
		c.becomes(c.id, specs.StateStopped)
		r := b.fails("kill", c.id, "TERM")
		if place.peer == "" && !strings.Contains(r.errs, "not running") {
			b.errorf("kill of a stopped one: %q", r.errs) // engines look for these words
		}
		c.delete()
		b.fails("kill", c.id, "TERM")
	}
}

func verifyKillCreated(b *bench) {
	c := b.bundle().create()
	c.ok("kill", c.id, "KILL")
	c.becomes(c.id, specs.StateStopped)
	c.delete()
}

func verifyKillUnknownSignal(b *bench) {
	c := b.bundle().create()
	c.start()
	b.fails("kill", c.id, "SIGDREAM")
	b.fails("kill", c.id, "999")
	if s := b.stateOf(c.id).Status; s != specs.StateRunning {
		b.errorf("it is %s after that", s)
	}
	c.stop()
	c.delete()
}

func verifyKillDefault(b *bench) {
	c := b.bundle().create()
	c.start()
	c.ok("kill", c.id)
	c.becomes(c.id, specs.StateStopped)
	c.delete()
}

// verifyKillAll: without a PID namespace, other processes outlive the first one.
func verifyKillAll(b *bench) {
	k := b.bundle()
	k.withoutNamespace(specs.PIDNamespace)
	c := k.create()
	c.start()
	c.ok("exec", "--detach", c.id, "/probe", "stay", "ids")
	c.ok("kill", "--all", c.id, "KILL")
	c.becomes(c.id, specs.StateStopped)
	b.eventually("an empty cgroup", func() bool {
		for _, dir := range cgroupDirs(place.cgroup + "/" + c.id) {
			if text, err := os.ReadFile(dir + "/cgroup.procs"); err == nil && len(text) > 0 {
				return false
			}
		}
		return true
	})
	c.delete()
}

func verifyDelete(b *bench) {
	c := b.bundle().create()
	c.start()
	b.fails("delete", c.id)
	if s := b.stateOf(c.id).Status; s != specs.StateRunning {
		b.errorf("it is %s after that", s)
	}
	c.stop()
	c.delete()
	b.fails("delete", c.id)
	b.fails("delete", "never-there")
	b.ok("delete", "--force", "never-there")
}

// verifyDeleteCreated: as in runc, a created container is stopped first, for engines give one up so.
func verifyDeleteCreated(b *bench) {
	c := b.bundle().create()
	c.delete()
	b.fails("state", c.id)
	if alive(c.pid) {
		b.errorf("its process is still there")
	}
}

// verifyNoProcess: process is needed when start is called, at the latest (config.md, "Process").
func verifyNoProcess(b *bench) {
	k := b.bundle()
	k.Process = nil
	id := k.id()
	k.save(id, "")
	if r := k.command(k.args("create", id)...); r.code == 0 {
		b.fails("start", id)
		b.ok("delete", "--force", id)
	}
}

func verifyDeleteForce(b *bench) {
	c := b.bundle().create()
	c.start()
	b.ok("delete", "--force", c.id)
	b.fails("state", c.id)
	if alive(c.pid) {
		b.errorf("its process is still there")
	}
}

func verifyIDUnique(b *bench) {
	k := b.bundle()
	c := k.create()
	other := b.bundle()
	other.save(c.id, "ask")
	b.fails(other.args("create", c.id)...)
	if s := b.stateOf(c.id); s.Status != specs.StateCreated || s.Pid != c.pid {
		b.errorf("the first one is %+v", s)
	}
	c.start()
	c.stop()
	b.fails(other.args("create", c.id)...) // it is stopped, and not deleted
	c.delete()
	b.ok(other.args("run", c.id)...)
}

func verifyIDInvalid(b *bench) {
	k := b.bundle()
	k.save("x", "ask")
	for _, id := range []string{"", "a/b", "../x", "..", "a b", "ü\n"} {
		if r := b.fails(k.args("create", id)...); r.code == 0 {
			b.ids = append(b.ids, id, "x") // it is to be removed all the same; x is the cgroup's name
		}
	}
}

// verifyConfigLater: changes of the bundle after create have no effect (runtime.md, "Create").
func verifyConfigLater(b *bench) {
	k := b.bundle()
	k.Hostname, k.asks = "before", []string{"hostname", "env WHEN"}
	k.Process.Env = append(k.Process.Env, "WHEN=before")
	c := k.create()
	k.saveText("{}")
	if a := c.start(); a["hostname"] != "before" || a["env WHEN"] != "before" {
		b.errorf("%q", a)
	}
	c.stop()
	b.must(os.Remove(k.dir + "/config.json"))
	c.delete()
}

func verifyExitCode(b *bench) {
	k := b.bundle()
	k.Process.Args = []string{"/probe", "exit", "7"}
	if r := k.try(); r.code != 7 {
		b.errorf("exit 7: %v", r)
	}
	k.Process.Args = nil
	k.asks = []string{"ids"}
	id := b.id()
	run := k.answering(id)
	b.ok("kill", id, "KILL")
	if r := run.wait(); r.code != 128+int(unix.SIGKILL) {
		b.errorf("killed: %v", r)
	}
}

func verifyRunDetach(b *bench) {
	k := b.bundle()
	id := b.id()
	k.asks = []string{"ids"}
	k.save(id, "stay")
	pidFile := b.path("pid")
	b.ok(append([]string{"run", "--detach", "--pid-file", pidFile}, k.args("run", id)[1:]...)...)
	s := b.stateOf(id)
	if text, err := os.ReadFile(pidFile); err != nil || string(text) != strconv.Itoa(s.Pid) {
		b.errorf("pid file %q, %v; the state has %d", text, err, s.Pid)
	}
	b.ok("kill", id, "KILL")
	b.becomes(id, specs.StateStopped)
	b.ok("delete", id)
}

// verifySignals: what is sent to run goes on to the container.
func verifySignals(b *bench) {
	run := b.bundle().answering(b.id())
	b.must(run.cmd.Process.Signal(unix.SIGUSR1))
	if r := run.wait(); r.code != 9 {
		b.errorf("%v", r)
	}
}

func verifyPreserveFds(b *bench) {
	k := b.bundle()
	f := k.file(k.path("given"), "through a descriptor", 0o644)
	k.flags, k.asks = []string{"--preserve-fds", "1"}, []string{"fds", "read /proc/self/fd/3"}
	id := b.id()
	k.save(id, "ask")
	file, err := os.Open(f)
	b.must(err)
	defer file.Close()
	r := b.commandWith(func(cmd *exec.Cmd) { cmd.ExtraFiles = []*os.File{file} }, k.args("run", id)...)
	if a := b.answers(r.out); a["fds"] != "0 1 2 3" {
		b.errorf("%q", a)
	}
}
