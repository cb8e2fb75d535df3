// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

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
		op("create", verifyCreate),
		op("state", verifyState),
		op("start", verifyStart),
		op("kill", verifyKill),
		op("kill.created", verifyKillCreated),
		op("kill.unknownSignal", verifyKillUnknownSignal),
		op("kill.default", verifyKillDefault),
		op("kill.all", verifyKillAll),
		op("delete", verifyDelete),
		op("delete.created", verifyDeleteCreated),
		op("noProcess", verifyNoProcess),
		op("delete.force", verifyDeleteForce),
		op("id.unique", verifyIDUnique),
		op("id.invalid", verifyIDInvalid),
		op("config.later", verifyConfigLater),
		op("exitCode", verifyExitCode),
		op("run.detach", verifyRunDetach),
		op("signals", verifySignals),
		op("preserveFds", verifyPreserveFds),
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

// pending says whether a signal to the whole process waits to be taken.
func pending(pid int, signal unix.Signal) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "ShdPnd:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && bits>>(signal-1)&1 != 0
		}
	}
	return false
}

func otherOperationRows() []row {
	return []row{
		op("pause", verifyPause),
		op("update", verifyUpdate),
		op("ps", verifyPs),
		op("list", verifyList),
		op("events.stats", verifyEventsStats),
		{id: "operations.checkpoint", of: "6.5 operations", needs: needsCRIU, run: verifyCheckpoint},
		op("spec", verifySpec),
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
		op("exec", verifyExec),
		op("exec.flags", verifyExecFlags),
		op("exec.process", verifyExecProcess),
		op("exec.priorities", verifyExecPriorities),
		op("exec.detach", verifyExecDetach),
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
