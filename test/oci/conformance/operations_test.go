// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"golang.org/x/sys/unix"
)

func TestOperations(t *testing.T) { verifyTables(t, "operations") }

func operationTables() []table {
	return []table{
		{name: "life cycle", rows: lifeCycleRows()},
		{name: "other operations", rows: otherOperationRows()},
		{name: "exec", rows: execRows()},
	}
}

func op(id string, run func(*bench)) row {
	return row{id: "operations." + id, of: "6.5 operations", run: run}
}

func lifeCycleRows() []row {
	return []row{
		op("create", func(b *bench) {
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
		}),
		op("state", func(b *bench) {
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
		}),
		op("start", func(b *bench) {
			c := b.bundle().create()
			c.start()
			b.fails("start", c.id) // it runs
			c.stop()
			b.fails("start", c.id) // it is stopped
			c.delete()
			b.fails("start", c.id)
		}),
		op("kill", func(b *bench) {
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
		}),
		op("kill.created", func(b *bench) {
			c := b.bundle().create()
			c.ok("kill", c.id, "KILL")
			c.becomes(c.id, specs.StateStopped)
			c.delete()
		}),
		op("kill.unknownSignal", func(b *bench) {
			c := b.bundle().create()
			c.start()
			b.fails("kill", c.id, "SIGDREAM")
			b.fails("kill", c.id, "999")
			if s := b.stateOf(c.id).Status; s != specs.StateRunning {
				b.errorf("it is %s after that", s)
			}
			c.stop()
			c.delete()
		}),
		op("kill.default", func(b *bench) {
			c := b.bundle().create()
			c.start()
			c.ok("kill", c.id)
			c.becomes(c.id, specs.StateStopped)
			c.delete()
		}),
		op("kill.all", func(b *bench) { // without a PID namespace, others outlive the first process
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
		}),
		op("delete", func(b *bench) {
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
		}),
		op("delete.created", func(b *bench) { // as in runc, it is stopped first: engines give up a container so
			c := b.bundle().create()
			c.delete()
			b.fails("state", c.id)
			if alive(c.pid) {
				b.errorf("its process is still there")
			}
		}),
		op("noProcess", func(b *bench) { // config.md: process is needed when start is called, at the latest
			k := b.bundle()
			k.Process = nil
			id := k.id()
			k.save(id, "")
			if r := k.command(k.args("create", id)...); r.code == 0 {
				b.fails("start", id)
				b.ok("delete", "--force", id)
			}
		}),
		op("delete.force", func(b *bench) {
			c := b.bundle().create()
			c.start()
			b.ok("delete", "--force", c.id)
			b.fails("state", c.id)
			if alive(c.pid) {
				b.errorf("its process is still there")
			}
		}),
		op("id.unique", func(b *bench) {
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
		}),
		op("id.invalid", func(b *bench) {
			k := b.bundle()
			k.save("x", "ask")
			for _, id := range []string{"", "a/b", "../x", "..", "a b", "ü\n"} {
				if r := b.fails(k.args("create", id)...); r.code == 0 {
					b.ids = append(b.ids, id, "x") // it is to be removed all the same; x is the cgroup's name
				}
			}
		}),
		op("config.later", func(b *bench) { // runtime.md: later changes of the bundle have no effect
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
		}),
		op("exitCode", func(b *bench) {
			k := b.bundle()
			k.Process.Args = []string{"/probe", "exit", "7"}
			if r := k.try(); r.code != 7 {
				b.errorf("exit 7: %v", r)
			}
			k.Process.Args = nil
			k.asks = []string{"ids"}
			id := b.id()
			k.save(id, "stay")
			var r result
			done := make(chan struct{})
			go func() {
				defer close(done)
				b.guard(func() { r = b.command(k.args("run", id)...) })
			}()
			b.eventually("running", func() bool { return b.command("state", id).code == 0 && b.stateOf(id).Status == specs.StateRunning })
			b.ok("kill", id, "KILL")
			<-done
			if r.code != 128+int(unix.SIGKILL) {
				b.errorf("killed: %v", r)
			}
		}),
		op("run.detach", func(b *bench) {
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
		}),
		op("signals", func(b *bench) { // to run in the foreground: they go to the container
			k := b.bundle()
			id := b.id()
			k.save(id, "stay")
			started := make(chan *exec.Cmd, 1)
			done := make(chan result, 1)
			go func() {
				b.guard(func() {
					done <- b.commandWith(func(cmd *exec.Cmd) { started <- cmd }, k.args("run", id)...)
				})
			}()
			cmd := <-started
			b.eventually("the probe's answers", func() bool {
				text, err := os.ReadFile(cmd.Stdout.(*os.File).Name())
				return err == nil && len(text) > 0
			})
			b.must(cmd.Process.Signal(syscall.SIGUSR1))
			if r := <-done; r.code != 9 {
				b.errorf("%v", r)
			}
		}),
		op("preserveFds", func(b *bench) {
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
		}),
		errorRow("noConfig", func(b *bench, k *bundle, id string) result {
			b.must(os.RemoveAll(k.dir + "/config.json"))
			return b.fails(k.args("create", id)...)
		}),
		errorRow("noBundle", func(b *bench, k *bundle, id string) result {
			return b.fails("create", "--bundle", "/nowhere/at/all", id)
		}),
		errorRow("notJSON", func(b *bench, k *bundle, id string) result {
			k.saveText(`{"ociVersion": `)
			return b.fails(k.args("create", id)...)
		}),
		errorRow("programMissing", func(b *bench, k *bundle, id string) result {
			k.Process.Args = []string{"/not/there"}
			k.save(id, "")
			r := b.fails(k.args("run", id)...)
			if !strings.Contains(r.errs, "/not/there") {
				b.errorf("the error does not name it: %q", r.errs)
			}
			return r
		}),
		errorRow("programNotExecutable", func(b *bench, k *bundle, id string) result {
			k.inRootfs("/text", "text", 0o644)
			k.Process.Args = []string{"/text"}
			k.save(id, "")
			return b.fails(k.args("run", id)...)
		}),
		errorRow("lateMount", func(b *bench, k *bundle, id string) result { // when most of it has been made
			k.mount("tmpfs", "tmpfs", "/x", "size=nonsense")
			k.save(id, "ask")
			return b.fails(k.args("create", id)...)
		}),
	}
}

// errorRow wants a command to fail and to leave nothing: neither a container, nor a process, nor a cgroup, nor a mount.
func errorRow(id string, run func(b *bench, k *bundle, id string) result) row {
	return row{id: "errors." + id, of: "6.5 errors", run: func(b *bench) {
		k := b.bundle()
		name := b.id()
		k.save(name, "ask")
		run(b, k, name)
		if dirs := cgroupDirs(place.cgroup + "/" + name); dirs != nil {
			b.errorf("left behind: %q", dirs)
		}
		b.fails("state", name)
	}}
}

func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(text), ") Z ")
}

func otherOperationRows() []row {
	return []row{
		op("pause", func(b *bench) {
			c := b.bundle().create()
			c.start()
			b.ok("pause", c.id)
			if s := b.stateOf(c.id).Status; s != "paused" {
				b.errorf("it is %s", s)
			}
			b.fails("delete", c.id)
			b.ok("kill", c.id, "USR1")
			time.Sleep(50 * time.Millisecond) // nothing is to happen: there is nothing to wait for
			if !alive(c.pid) {
				b.errorf("it runs while it is paused")
			}
			b.ok("resume", c.id)
			b.becomes(c.id, specs.StateStopped)
			c.delete()
			b.fails("pause", c.id)
			b.fails("resume", c.id)
		}),
		op("update", func(b *bench) {
			k := b.bundle()
			k.Linux.Resources.Pids = &specs.LinuxPids{Limit: new(int64(100))}
			c := k.create()
			c.start()
			b.ok("update", "--memory", strconv.Itoa(128*mib), "--pids-limit", "60", c.id)
			pids := cg("pids", "pids.max", "").ask
			memory := cg("memory", map[string]string{"v1": "memory.limit_in_bytes", "v2": "memory.max"}[laneHere()], "").ask
			if a := c.exec(nil, pids, memory); a[pids] != "60" || a[memory] != strconv.Itoa(128*mib) {
				b.errorf("%q", a)
			}
			b.ok("update", "--resources", b.file(b.path("update.json"), `{"pids":{"limit":61}}`, 0o600), c.id)
			if a := c.exec(nil, pids, memory); a[pids] != "61" || a[memory] != strconv.Itoa(128*mib) {
				b.errorf("from a file: %q", a)
			}
			b.fails("update", "--pids-limit", "nonsense", c.id)
			c.stop()
			c.delete()
		}),
		op("ps", func(b *bench) {
			c := b.bundle().create()
			c.start()
			var pids []int
			if err := json.Unmarshal([]byte(b.ok("ps", "--format", "json", c.id).out), &pids); err != nil || !slices.Contains(pids, c.pid) {
				b.errorf("%v, %v: without %d", pids, err, c.pid)
			}
			c.stop()
			c.delete()
		}),
		op("list", func(b *bench) {
			c := b.bundle().create()
			var list []struct {
				ID     string `json:"id"`
				Pid    int    `json:"pid"`
				Status string `json:"status"`
				Bundle string `json:"bundle"`
			}
			if err := json.Unmarshal([]byte(b.ok("list", "--format", "json").out), &list); err != nil || len(list) != 1 {
				b.fatalf("%v, %v", list, err)
			}
			if e := list[0]; e.ID != c.id || e.Pid != c.pid || e.Status != "created" || e.Bundle != c.dir {
				b.errorf("%+v", e)
			}
			if got := strings.TrimSpace(b.ok("list", "--quiet").out); got != c.id {
				b.errorf("quiet: %q", got)
			}
			c.start()
			c.stop()
			c.delete()
		}),
		op("events.stats", func(b *bench) {
			c := b.bundle().create()
			c.start()
			var event struct {
				Type string `json:"type"`
				ID   string `json:"id"`
				Data struct {
					Pids   struct{ Current int }
					Memory struct{ Usage struct{ Usage uint64 } }
				} `json:"data"`
			}
			r := b.ok("events", "--stats", c.id)
			if err := json.Unmarshal([]byte(r.out), &event); err != nil || event.Type != "stats" || event.ID != c.id || event.Data.Pids.Current < 1 || event.Data.Memory.Usage.Usage == 0 {
				b.errorf("%v: %q", err, r.out)
			}
			c.stop()
			c.delete()
		}),
		{id: "operations.checkpoint", of: "6.5 operations", needs: needsCRIU, run: verifyCheckpoint},
		op("spec", func(b *bench) { // what it writes runs
			k := b.bundle()
			b.must(os.RemoveAll(k.dir + "/config.json"))
			b.commandOK(func(cmd *exec.Cmd) { cmd.Dir = k.dir }, "spec")
			text, err := os.ReadFile(k.dir + "/config.json")
			b.must(err)
			k.Spec = &specs.Spec{}
			b.must(json.Unmarshal(text, k.Spec))
			k.Process.Terminal, k.Process.Args, k.asks = false, nil, []string{"ids", "mount flags /", "status NoNewPrivs"}
			if a := k.run(); a["ids"] != "0 0 0 0 0 0" || !strings.HasPrefix(a["mount flags /"], "ro") || a["status NoNewPrivs"] != "1" {
				b.errorf("%q", a)
			}
		}),
		{id: "features", of: "6.5 features", run: verifyFeatures},
		{id: "features.systemd", of: "6.5 features", run: func(b *bench) {
			var f features.Features
			b.must(json.Unmarshal([]byte(b.ok("features").out), &f))
			if l := f.Linux; l == nil || l.Cgroup == nil || l.Cgroup.Systemd == nil || !*l.Cgroup.Systemd {
				b.errorf("cgroup.systemd is not on")
			}
		}},
	}
}

// verifyCheckpoint has a probe answer, be written to disk and go on from there. Its stdio is pipes: criu refuses files that are on no mount
// of the container.
func verifyCheckpoint(b *bench) {
	k := b.bundle()
	k.asks = []string{"ids"}
	id := b.id()
	k.save(id, "stay")
	images, work := b.made("images"), b.made("work")
	first := b.piped(k.args("create", id)...)
	b.ok("start", id)
	if line, err := bufio.NewReader(first).ReadString('\n'); err != nil || b.answers(line)["ids"] != "0 0 0 0 0 0" {
		b.errorf("%q, %v", line, err)
	}
	b.ok("checkpoint", "--image-path", images, "--work-path", work, id)
	if len(b.containers()) > 0 { // crun's stays, stopped
		b.becomes(id, specs.StateStopped)
		b.ok("delete", id)
	}
	b.piped("restore", "--detach", "--image-path", images, "--work-path", work, "--bundle", k.dir, id)
	if s := b.stateOf(id); s.Status != specs.StateRunning {
		b.errorf("restored: %+v", s)
	}
	b.ok("kill", id, "TERM")
	b.becomes(id, specs.StateStopped)
	b.ok("delete", id)
}

// piped is ok for a command whose container gets pipes; that of stdout is returned.
func (b *bench) piped(args ...string) *os.File {
	stdin, in, err := os.Pipe()
	b.must(err)
	defer in.Close() // nobody writes
	out, stdout, err := os.Pipe()
	b.must(err)
	b.cleanup(func() { out.Close() })
	defer stdin.Close()
	defer stdout.Close()
	b.commandOK(func(cmd *exec.Cmd) { cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stdout }, args...)
	return out
}

// needsCRIU: what it says of the kernel.
func needsCRIU() string {
	out, err := exec.Command("criu", "check").CombinedOutput()
	if err != nil {
		last := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Sprintf("criu check: %v: %s", err, last[len(last)-1])
	}
	return ""
}

// nativeArchs are the ABIs of a kernel.
var nativeArchs = map[string][]string{
	"amd64": {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}, "arm64": {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"},
}

func (b *bench) commandOK(change func(*exec.Cmd), args ...string) {
	if r := b.commandWith(change, args...); r.code != 0 {
		b.fatalf("%s: %v", strings.Join(args, " "), r)
	}
}

// verifyFeatures holds the output against what the other rows say.
func verifyFeatures(b *bench) {
	var f features.Features
	b.must(json.Unmarshal([]byte(b.ok("features").out), &f))
	has := func(what string, list []string, names ...string) {
		for _, n := range names {
			if !slices.Contains(list, n) {
				b.errorf("%s: no %s", what, n)
			}
		}
	}
	if !slices.ContainsFunc(f.PotentiallyUnsafeConfigAnnotations, func(a string) bool { return strings.HasPrefix(a, "org.systemd.property") }) {
		b.errorf("potentiallyUnsafeConfigAnnotations: %q", f.PotentiallyUnsafeConfigAnnotations)
	}
	if f.OCIVersionMin != "1.0.0" || f.OCIVersionMax != specs.Version {
		b.errorf("versions %s to %s", f.OCIVersionMin, f.OCIVersionMax)
	}
	for _, kind := range hookKinds {
		has("hooks", f.Hooks, kind.name)
	}
	has("mountOptions", f.MountOptions, slices.Concat(mountOptions, recursiveOptions, sortedKeys(propagations),
		[]string{"bind", "rbind", "remount", "tmpcopyup", "idmap", "ridmap"})...)
	l := f.Linux
	if l == nil || l.IntelRdt == nil || l.MountExtensions == nil || l.NetDevices == nil || l.MemoryPolicy == nil {
		b.fatalf("parts of linux are missing: %+v", l)
	}
	has("namespaces", l.Namespaces, namespaceTypes...)
	has("capabilities", l.Capabilities, usual...)
	on := func(what string, v *bool) {
		if v == nil || !*v {
			b.errorf("%s is not on", what)
		}
	}
	on("cgroup.v1", l.Cgroup.V1)
	on("cgroup.v2", l.Cgroup.V2)
	on("seccomp.enabled", l.Seccomp.Enabled)
	on("apparmor.enabled", l.Apparmor.Enabled)
	on("selinux.enabled", l.Selinux.Enabled)
	on("intelRdt.enabled", l.IntelRdt.Enabled)
	on("mountExtensions.idmap.enabled", l.MountExtensions.IDMap.Enabled)
	on("netDevices.enabled", l.NetDevices.Enabled)
	has("seccomp.actions", l.Seccomp.Actions, "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
		"SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP")
	has("seccomp.operators", l.Seccomp.Operators, "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ")
	has("seccomp.archs", l.Seccomp.Archs, nativeArchs[runtime.GOARCH]...)
	has("seccomp.knownFlags", l.Seccomp.KnownFlags, "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")
	has("memoryPolicy.modes", l.MemoryPolicy.Modes, "MPOL_DEFAULT", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_LOCAL", "MPOL_WEIGHTED_INTERLEAVE")
	has("memoryPolicy.flags", l.MemoryPolicy.Flags, "MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES", "MPOL_F_NUMA_BALANCING")
}

func execRows() []row {
	return []row{
		op("exec", func(b *bench) { // where the container is
			k := b.bundle()
			k.Hostname = "shared"
			k.Linux.Seccomp = nil
			var asks []string
			for _, kind := range namespaceTypes {
				asks = append(asks, "ns "+namespaceFiles[kind])
			}
			asks = append(asks, "read /proc/self/cgroup", "hostname", "umask", "fds", "status NoNewPrivs", "caps Bnd", "caps Eff", "read /proc/self/oom_score_adj", "mount flags /sys")
			k.asks = asks
			c := k.create()
			want := c.start()
			got := c.exec(nil, asks...)
			for _, ask := range asks {
				if got[ask] != want[ask] {
					b.errorf("%s: %q, but the container has %q", ask, got[ask], want[ask])
				}
			}
			c.stop()
			b.fails("exec", c.id, "/probe", "ask")
			c.delete()
			b.fails("exec", c.id, "/probe", "ask")
		}),
		op("exec.flags", func(b *bench) {
			c := b.bundle().create()
			c.start()
			a := c.exec([]string{"--user", "1000:1001", "--cwd", "/proc", "--env", "ADDED=1", "--additional-gids", "7"}, "ids", "cwd", "env ADDED", "env PATH", "groups")
			if a["ids"] != "1000 1000 1000 1001 1001 1001" || a["cwd"] != "/proc" || a["env ADDED"] != "1" || a["env PATH"] != "/" || a["groups"] != "7" {
				b.errorf("%q", a)
			}
			if a := c.exec([]string{"--cap", "CAP_SYS_CHROOT", "--no-new-privs"}, "caps Bnd", "status NoNewPrivs"); !strings.Contains(" "+a["caps Bnd"]+" ", " "+capSet("CAP_SYS_CHROOT")+" ") || a["status NoNewPrivs"] != "1" {
				b.errorf("%q", a)
			}
			if r := c.command("exec", c.id, "/probe", "exit", "6"); r.code != 6 {
				b.errorf("exit 6: %v", r)
			}
			b.fails("exec", c.id, "/not/there")
			b.fails("exec", c.id)
			c.stop()
			c.delete()
		}),
		op("exec.process", func(b *bench) {
			c := b.bundle().create()
			c.start()
			p := &specs.Process{
				User: specs.User{UID: 12, GID: 13, Umask: new(uint32(0o77)), AdditionalGids: []uint32{14}}, Env: []string{"ONLY=this"}, Cwd: "/dev",
				Capabilities: &fiveSets, NoNewPrivileges: true, OOMScoreAdj: new(700), Rlimits: []specs.POSIXRlimit{{Type: "RLIMIT_CORE", Soft: 1, Hard: 2}},
				IOPriority: &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6}, Scheduler: &specs.Scheduler{Policy: specs.SchedBatch, Nice: 4},
			}
			r := row{sees: []sight{
				{"ids", "12 12 12 13 13 13"}, {"umask", "0077"}, {"groups", "14"}, {"env ONLY", "this"}, {"env PATH", "unset"}, {"cwd", "/dev"}, {"status NoNewPrivs", "1"},
				{"caps Bnd", capSet(fiveSets.Bounding...)}, {"caps Amb", capSet("CAP_NET_RAW")}, {"caps Inh", capSet(fiveSets.Inheritable...)},
				{"read /proc/self/oom_score_adj", "700"}, {"rlimit 4", "1 2"},
			}}
			for _, s := range r.sees {
				c.asks = append(c.asks, s.ask)
			}
			r.judge(b, c.execProcess(p, c.asks...))
			c.stop()
			c.delete()
		}),
		op("exec.priorities", func(b *bench) {
			c := b.bundle().create()
			c.start()
			p := &specs.Process{
				Capabilities: c.Process.Capabilities, IOPriority: &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6},
				Scheduler: &specs.Scheduler{Policy: specs.SchedBatch, Nice: 4},
			}
			a := c.execProcess(p, "ioprio", "sched")
			if a["ioprio"] != "2 6" || !strings.HasPrefix(a["sched"], "policy=3 nice=4 ") {
				b.errorf("%q", a)
			}
			c.stop()
			c.delete()
		}),
		op("exec.detach", func(b *bench) {
			c := b.bundle().create()
			c.start()
			pidFile := b.path("exec-pid")
			b.ok("exec", "--detach", "--pid-file", pidFile, c.id, "/probe", "stay", "ids")
			text, err := os.ReadFile(pidFile)
			b.must(err)
			pid, err := strconv.Atoi(string(text))
			b.must(err)
			ours, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
			theirs, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", c.pid))
			if err != nil || ours != theirs {
				b.errorf("%d is in %s, not %s (%v)", pid, ours, theirs, err)
			}
			c.stop() // which ends all of the PID namespace
			c.delete()
		}),
		{
			id: "execCPUAffinity", of: "6.1 process.execCPUAffinity", fields: []string{"process.execCPUAffinity.initial", "process.execCPUAffinity.final"},
			needs: needsTwoProcessors,
			run: func(b *bench) {
				k := b.bundle()
				k.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0", Final: "1"}
				k.asks = []string{"affinity"}
				c := k.create()
				if got := c.start()["affinity"]; got != ownAffinity() {
					b.errorf("it is of exec alone, but the container has %q", got)
				}
				if got := c.exec(nil, "affinity")["affinity"]; got != "1" {
					b.errorf("exec by config.json: %q", got)
				}
				p := &specs.Process{Capabilities: k.Process.Capabilities, ExecCPUAffinity: &specs.CPUAffinity{Final: "0"}}
				if got := c.execProcess(p, "affinity")["affinity"]; got != "0" {
					b.errorf("exec by its own: %q", got)
				}
				c.stop()
				c.delete()
			},
		},
	}
}

func needsTwoProcessors() string {
	if !strings.Contains(ownAffinity(), "0 1") {
		return "this host does not have the processors 0 and 1"
	}
	return ""
}

func ownAffinity() string {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return err.Error()
	}
	var cpus []string
	for i := range 1024 {
		if set.IsSet(i) {
			cpus = append(cpus, strconv.Itoa(i))
		}
	}
	return strings.Join(cpus, " ")
}
