// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func ptr[T any](v T) *T { return &v }

// TestSystemdLifeCycle: every command on a container in a scope.
func TestSystemdLifeCycle(t *testing.T) {
	needSystemd(t)
	b := newBundle(t, "/bin/sleep", "1000")
	b.spec.Linux.Resources = &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(64 << 20))}, Pids: &specs.LinuxPids{Limit: ptr(int64(10))},
		CPU: &specs.LinuxCPU{Shares: ptr(uint64(1024)), Quota: ptr(int64(50000)), Period: ptr(uint64(100000))},
	}
	b.running()
	s := b.state()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(s.Pid) + "/cgroup")
	b.must(err)
	if got := strings.TrimSpace(string(text)); got != "0::"+b.cgroup() {
		t.Error("it is in ", got)
	}
	if got := b.file("cgroup.procs"); got != strconv.Itoa(s.Pid) {
		t.Errorf("in the scope are %q, not %d alone", got, s.Pid)
	}
	for property, want := range map[string]string{
		"ActiveState": "active", "Slice": "crisp-test.slice", "MemoryMax": "67108864", "TasksMax": "10", "CPUWeight": "100", "CPUQuotaPerSecUSec": "500ms", "Delegate": "yes",
	} {
		if got := b.show(property); got != want {
			t.Errorf("%s=%s, not %s", property, got, want)
		}
	}
	if r := b.run("exec", b.id, "/bin/cat", "/proc/self/cgroup"); r.err != nil || strings.TrimSpace(r.stdout) != "0::/" { // of its cgroup namespace
		t.Error("exec: ", r)
	}
	if r := b.run("update", "--memory", "33554432", "--pids-limit", "20", b.id); r.err != nil {
		t.Error("update: ", r)
	}
	if b.show("MemoryMax") != "33554432" || b.file("memory.max") != "33554432" || b.show("TasksMax") != "20" || b.file("pids.max") != "20" {
		t.Error("not updated: ", b.show("MemoryMax"), b.file("memory.max"), b.show("TasksMax"), b.file("pids.max"))
	}
	if r := b.run("pause", b.id); r.err != nil || b.file("cgroup.freeze") != "1" || b.state().Status != "paused" {
		t.Error("pause: ", r)
	}
	if r := b.run("resume", b.id); r.err != nil || b.file("cgroup.freeze") != "0" {
		t.Error("resume: ", r)
	}
	if r := b.run("kill", b.id, "KILL"); r.err != nil {
		t.Error("kill: ", r)
	}
	eventually(t, "it stops", func() bool { return b.state().Status == specs.StateStopped })
	if r := b.run("delete", b.id); r.err != nil { // without the option: the record knows
		t.Error("delete: ", r)
	}
	b.nothingLeft()
}

// TestSystemdRun: a container that ends at once, in the slice that there is when none is named.
func TestSystemdRun(t *testing.T) {
	needSystemd(t)
	b := newBundle(t, "/bin/sh", "-c", "exit 7")
	for _, path := range []string{"", ":crisp:" + b.id, b.spec.Linux.CgroupsPath} {
		b.spec.Linux.CgroupsPath = path
		b.write()
		r := b.oci("run", "--bundle", b.dir, b.id)
		if r.err == nil || !strings.Contains(r.err.Error(), "exit status 7") {
			t.Errorf("%q: %s", path, r)
		}
		b.nothingLeft()
	}
	b.spec.Linux.CgroupsPath, b.spec.Process.Args = "", []string{"/bin/sleep", "1000"}
	b.write()
	if r := b.oci("run", "--detach", "--bundle", b.dir, b.id); r.err != nil {
		t.Fatal(r)
	}
	if got := b.show("ControlGroup"); got != "/system.slice/"+b.unit() {
		t.Error(got)
	}
}

// TestSystemdOneProcess: a limit of one process is the container's, whatever holds the scope before.
func TestSystemdOneProcess(t *testing.T) {
	needSystemd(t)
	b := newBundle(t, "/bin/sleep", "1000")
	b.spec.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(1))}}
	b.running()
	if b.file("pids.max") != "1" || b.file("pids.current") != "1" {
		t.Error("processes: ", b.file("pids.current"), " of ", b.file("pids.max"))
	}
}

// TestSystemdPathsThatAreNone: the error says what a path is to look like, and comes before anything is made.
func TestSystemdPathsThatAreNone(t *testing.T) {
	needSystemd(t)
	b := newBundle(t, "/bin/true")
	for _, path := range []string{"/a/b", "a", "a.slice:b", "a.slice:crisp:x/y", "a.service:crisp:x", "a.slice:crisp:x y"} {
		b.spec.Linux.CgroupsPath = path
		if r := b.create(); r.err == nil || !strings.Contains(r.stderr, `expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups`) {
			t.Errorf("%q: %s", path, r)
		}
		b.nothingLeft()
	}
	b.spec.Linux.CgroupsPath = "crisp-test.slice:crisp:" + b.id
	b.write()
	if r := b.run("run", "--bundle", b.dir, b.id); r.err == nil || !strings.Contains(r.stderr, "systemd cgroup driver, which is not in use") {
		t.Error("without --systemd-cgroup: ", r)
	}
}

// TestSystemdProperties: annotations set the scope's own properties, and no others: CVE-2024-3154.
func TestSystemdProperties(t *testing.T) {
	needSystemd(t)
	b := newBundle(t, "/bin/sleep", "1000")
	proof := filepath.Join(b.dir, "injected")
	for name, value := range map[string]string{
		"ExecStartPost": `[('/bin/sh', ['/bin/sh', '-c', 'touch ` + proof + `'], false)]`, "Conflicts": "['dbus.service']", "Slice": "'system.slice'",
		"FailureAction": "'reboot-force'", "PIDs": "[uint32 1]", "MemoryMax": "uint64 1", "TimeoutStopUSec": "'long'",
	} {
		b.spec.Annotations = map[string]string{"org.systemd.property." + name: value}
		if r := b.create(); r.err == nil || !strings.Contains(r.stderr, "org.systemd.property."+name) || !strings.Contains(r.stderr, "not a property that a container may set") {
			t.Errorf("%s: %s", name, r)
		}
		b.nothingLeft()
	}
	if _, err := os.Stat(proof); err == nil {
		t.Error("systemd has run a program")
	}
	b.spec.Annotations = map[string]string{"org.systemd.property.TimeoutStopUSec": "uint64 123456789", "org.systemd.property.KillMode": "'none'"}
	b.running()
	if b.show("TimeoutStopUSec") != "2min 3.456789s" || b.show("KillMode") != "none" {
		t.Error(b.show("TimeoutStopUSec"), b.show("KillMode"))
	}
}

// TestSystemdStopIsTheContainersEnd: an operator, or the machine's shutdown, stops the scope.
func TestSystemdStopIsTheContainersEnd(t *testing.T) {
	needSystemd(t)
	b := newBundle(t, "/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done")
	b.spec.Process.Env = []string{"PATH=/bin"}
	b.running()
	if r := systemctl("stop", b.unit()); r.err != nil {
		t.Error(r)
	}
	if got := b.state().Status; got != specs.StateStopped {
		t.Error("it is ", got)
	}
	if r := b.oci("delete", b.id); r.err != nil {
		t.Error(r)
	}
}

// TestSystemdKillLeavesNothing: crisp-oci is killed at every moment of a create. Whatever is there then, delete finds.
func TestSystemdKillLeavesNothing(t *testing.T) {
	needSystemd(t)
	b := newBundle(t, "/bin/sleep", "1000")
	b.write()
	started := time.Now()
	if r := b.create(); r.err != nil {
		t.Fatal(r)
	}
	whole := time.Since(started)
	if r := b.oci("delete", "--force", b.id); r.err != nil {
		t.Fatal(r)
	}
	const moments = 8
	for i := range moments {
		c := b.command("--systemd-cgroup", "create", "--bundle", b.dir, b.id)
		b.must(c.Start())
		timer := time.AfterFunc(whole*time.Duration(i)/moments, func() { _ = c.Process.Signal(unix.SIGKILL) })
		_ = c.Wait()
		timer.Stop()
		if r := b.oci("delete", "--force", b.id); r.err != nil {
			t.Errorf("moment %d: %s", i, r)
		}
		eventually(t, "nothing is left", func() bool { return b.show("LoadState") == "not-found" })
		b.nothingLeft()
	}
}

// TestSystemdLeakedScope: a scope whose cgroup somebody has removed below systemd, and one whose record alone is left.
func TestSystemdLeakedScope(t *testing.T) {
	needSystemd(t)
	b := newBundle(t, "/bin/sleep", "1000")
	b.running()
	b.must(os.WriteFile("/sys/fs/cgroup"+b.cgroup()+"/cgroup.kill", []byte("1"), 0))
	eventually(t, "it stops", func() bool { return b.state().Status == specs.StateStopped })
	_ = unix.Rmdir("/sys/fs/cgroup" + b.cgroup()) // or systemd was first
	if r := b.oci("delete", b.id); r.err != nil {
		t.Error(r)
	}
	b.nothingLeft()
}

// TestSystemdIsMissing: on a host without systemd the error says so, and nothing is made.
func TestSystemdIsMissing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("makes containers: needs root")
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		t.Skip("systemd is this host's init")
	}
	b := newBundleWithoutSystemd(t, "/bin/true")
	if r := b.create(); r.err == nil || !strings.Contains(r.stderr, "systemd is not this host's init") {
		t.Error(r)
	}
	if left, _ := os.ReadDir(filepath.Join(b.dir, "run")); len(left) > 0 {
		t.Error("records are left: ", left)
	}
}
