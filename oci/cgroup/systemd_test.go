// SPDX-License-Identifier: Apache-2.0

package cgroup_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"crisp/oci/cgroup"
	"crisp/oci/cgroup/systemd"
)

// These need a systemd that is the host's init; the lane of test/vm has one.

func ptr[T any](v T) *T { return &v }

func newManager(t *testing.T) *cgroup.Manager {
	t.Helper()
	d := systemd.New(systemd.Config{})
	if err := d.Booted(); err != nil {
		t.Skip(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("asking the host's systemd for scopes needs root")
	}
	m, err := cgroup.New(cgroup.Config{Driver: d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// newPath returns a path in a slice of the test's, and the unit's name.
func newPath(t *testing.T) (path, unit string) {
	id := fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())
	return "crisp-test.slice:crisp:" + id, "crisp-" + id + ".scope"
}

func newScope(t *testing.T, m *cgroup.Manager, q cgroup.Request) (c *cgroup.Cgroup, unit string) {
	t.Helper()
	q.Path, unit = newPath(t)
	c, err := m.Make(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		release(t, m, q.Path)
		gone(t, unit)
	})
	return c, unit
}

func release(t *testing.T, m *cgroup.Manager, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := m.Release(ctx, path); err != nil {
		t.Error(err)
	}
}

// show asks systemctl for properties.
func show(t *testing.T, unit string, properties ...string) map[string]string {
	t.Helper()
	out, err := exec.Command("systemctl", "show", unit, "-p", strings.Join(properties, ",")).CombinedOutput()
	if err != nil {
		t.Fatalf("systemctl: %v: %s", err, out)
	}
	values := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[name] = value
	}
	return values
}

func gone(t *testing.T, unit string) {
	t.Helper()
	if s := show(t, unit, "LoadState", "ActiveState"); s["LoadState"] != "not-found" || s["ActiveState"] != "inactive" {
		t.Error(unit, " is left: ", s)
	}
	if left, _ := filepath.Glob("/sys/fs/cgroup/crisp.slice/crisp-test.slice/" + unit); len(left) > 0 {
		t.Error("cgroups are left: ", left)
	}
	if left, _ := filepath.Glob("/sys/fs/cgroup/*/crisp.slice/crisp-test.slice/" + unit); len(left) > 0 {
		t.Error("cgroups are left: ", left)
	}
}

func usual() *specs.LinuxResources {
	return &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(64 << 20)), Swap: ptr(int64(64 << 20)), Reservation: ptr(int64(32 << 20))},
		CPU:    &specs.LinuxCPU{Shares: ptr(uint64(512)), Quota: ptr(int64(20500)), Period: ptr(uint64(50000)), Cpus: "0", Mems: "0"},
		Pids:   &specs.LinuxPids{Limit: ptr(int64(1))},
	}
}

// TestSystemdScope: the unit says what the files say, the container's process is where it belongs, and it has all of its limit of
// processes to itself.
func TestSystemdScope(t *testing.T) {
	m := newManager(t)
	c, unit := newScope(t, m, cgroup.Request{Resources: usual(), Annotations: map[string]string{"org.systemd.property.TimeoutStopSec": "7"}})
	cmd := cgroup.StartIn(t, c, "exec sleep 1000")
	if want := "/crisp.slice/crisp-test.slice/" + unit; c.Path() != want {
		t.Error(c.Path(), " is not ", want)
	}
	if pids, err := c.Pids(); err != nil || len(pids) != 1 || pids[0] != cmd.Process.Pid {
		t.Error(pids, err)
	}
	properties := map[string]string{
		"LoadState": "loaded", "ActiveState": "active", "Slice": "crisp-test.slice", "Delegate": "yes", "ControlGroup": c.Path(), "DevicePolicy": "auto",
		"CollectMode": "inactive-or-failed", "DefaultDependencies": "no", "CPUQuotaPerSecUSec": "410ms", "CPUQuotaPeriodUSec": "50ms", "AllowedCPUs": "0",
		"AllowedMemoryNodes": "0", "TasksMax": "1", "MemoryAccounting": "yes", "CPUAccounting": "yes", "TasksAccounting": "yes", "TimeoutStopUSec": "7s",
	}
	files := map[string]string{
		"memory.max": "67108864", "memory.low": "33554432", "cpu.weight": "59", "cpu.max": "20500 50000", "cpuset.cpus": "0", "pids.max": "1",
	}
	if m.Mode() == cgroup.V2 {
		maps.Copy(properties, map[string]string{"MemoryMax": "67108864", "MemoryLow": "33554432", "MemorySwapMax": "0", "CPUWeight": "59", "IOAccounting": "yes"})
	} else {
		maps.Copy(properties, map[string]string{"MemoryLimit": "67108864", "CPUShares": "512", "BlockIOAccounting": "yes"})
		files = map[string]string{
			"memory.limit_in_bytes": "67108864", "memory.soft_limit_in_bytes": "33554432", "cpu.shares": "512", "cpu.cfs_quota_us": "20500",
			"cpu.cfs_period_us": "50000", "cpuset.cpus": "0", "pids.max": "1",
		}
	}
	for name, want := range properties {
		if got := show(t, unit, name)[name]; got != want {
			t.Errorf("%s=%s, not %s", name, got, want)
		}
	}
	says(t, c, "", files)
}

// says compares files of the cgroup.
func says(t *testing.T, c *cgroup.Cgroup, when string, files map[string]string) {
	t.Helper()
	for name, want := range files {
		controller, _, _ := strings.Cut(name, ".")
		if got := cgroup.File(t, c, controller, name); got != want {
			t.Errorf("%s%s: %s, not %s", when, name, got, want)
		}
	}
}

// TestSystemdUpdate: the unit's properties and the files change together, and stay so when systemd reads its units anew and
// writes the files again. What systemd knows nothing of stays too.
func TestSystemdUpdate(t *testing.T) {
	m := newManager(t)
	c, unit := newScope(t, m, cgroup.Request{Resources: usual()})
	cgroup.StartIn(t, c, "exec sleep 1000")
	err := c.Set(&specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(96 << 20)), Swap: ptr(int64(96 << 20))}, Pids: &specs.LinuxPids{Limit: ptr(int64(12))},
		CPU:     &specs.LinuxCPU{Shares: ptr(uint64(2048)), Quota: ptr(int64(10001)), Period: ptr(uint64(100000)), Burst: ptr(uint64(500))},
		Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	memory, weight := "MemoryMax", "CPUWeight=174"
	files := map[string]string{"memory.max": "100663296", "pids.max": "12", "cpu.weight": "174", "cpu.max": "11000 100000", "cpu.max.burst": "500"}
	if m.Mode() != cgroup.V2 {
		memory, weight = "MemoryLimit", "CPUShares=2048"
		files = map[string]string{
			"memory.limit_in_bytes": "100663296", "pids.max": "12", "cpu.shares": "2048", "cpu.cfs_quota_us": "11000", "cpu.cfs_burst_us": "500",
			"devices.list": cgroup.File(t, c, "devices", "devices.list"),
		}
	}
	check := func(when string) {
		t.Helper()
		name, value, _ := strings.Cut(weight, "=")
		s := show(t, unit, memory, "TasksMax", name, "CPUQuotaPerSecUSec")
		if s[memory] != "100663296" || s["TasksMax"] != "12" || s[name] != value || s["CPUQuotaPerSecUSec"] != "110ms" {
			t.Error(when, s)
		}
		says(t, c, when, files)
	}
	check("after the update: ")
	filters := 0
	if m.Mode() == cgroup.V2 {
		filters = filterCount(t, c)
	}
	if out, err := exec.Command("systemctl", "daemon-reload").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	check("after systemctl daemon-reload: ")
	if m.Mode() != cgroup.V2 {
		return
	}
	if n := filterCount(t, c); n != filters || n != 1 {
		t.Error("device programs: ", filters, " before systemctl daemon-reload, ", n, " after")
	}
}

// filterCount counts the programs for devices of the cgroup itself (BPF_PROG_QUERY).
func filterCount(t *testing.T, c *cgroup.Cgroup) int {
	t.Helper()
	n, err := c.Filters()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSystemdUpdateIsAllOrNothing: what systemd refuses leaves the files as they were.
func TestSystemdUpdateIsAllOrNothing(t *testing.T) {
	m := newManager(t)
	if m.Mode() != cgroup.V2 {
		t.Skip("unified files are v2's")
	}
	c, unit := newScope(t, m, cgroup.Request{Resources: usual()})
	cgroup.StartIn(t, c, "exec sleep 1000")
	if err := c.Set(&specs.LinuxResources{
		Pids: &specs.LinuxPids{Limit: ptr(int64(3))}, Unified: map[string]string{"memory.high": "50000000", "memory.nothing": "1"},
	}); err == nil {
		t.Error("a file that is not there was written")
	}
	if got := cgroup.File(t, c, "pids", "pids.max"); got != "1" {
		t.Error("pids.max is ", got)
	}
	if s := show(t, unit, "TasksMax", "MemoryHigh"); s["TasksMax"] != "1" || s["MemoryHigh"] != "infinity" {
		t.Error(s)
	}
}

// TestSystemdWritesItsFilesBeforeWeGoOn: when Set of the driver returns, systemd has written what it makes of it; what is written after it stays.
func TestSystemdWritesItsFilesBeforeWeGoOn(t *testing.T) {
	m := newManager(t)
	c, _ := newScope(t, m, cgroup.Request{Resources: usual()})
	cgroup.StartIn(t, c, "exec sleep 1000")
	for i := range 50 {
		want := fmt.Sprint(100 + i)
		if err := c.TellsDriver("pids.max", want); err != nil {
			t.Fatal(err)
		}
		if got := cgroup.File(t, c, "pids", "pids.max"); got != want {
			t.Fatalf("pids.max is %s, not %s", got, want)
		}
	}
}

func TestSystemdFreeze(t *testing.T) {
	m := newManager(t)
	c, _ := newScope(t, m, cgroup.Request{})
	cgroup.StartIn(t, c, "exec sleep 1000")
	if err := c.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(c.FreezerFile()); err != nil || string(got) != "1\n" && string(got) != "FROZEN\n" {
		t.Errorf("%q, %v", got, err)
	}
	if err := c.Thaw(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSystemdEnds: when the processes have ended by themselves, systemd removes the scope, and a removal is no error; nor is one of what was never.
func TestSystemdEnds(t *testing.T) {
	m := newManager(t)
	path, unit := newPath(t)
	c, err := m.Make(t.Context(), cgroup.Request{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	cmd := cgroup.StartIn(t, c, "exit 3")
	if err := cmd.Wait(); err == nil {
		t.Error("it ended well")
	}
	cgroup.Eventually(t, "systemd removes the scope", func() bool { return show(t, unit, "LoadState")["LoadState"] == "not-found" })
	release(t, m, path)
	release(t, m, "crisp-test.slice:crisp:never")
	gone(t, unit)
}

// TestSystemdNameIsFree: a name can be used again at once.
func TestSystemdNameIsFree(t *testing.T) {
	m := newManager(t)
	path, unit := newPath(t)
	for range 5 {
		c, err := m.Make(t.Context(), cgroup.Request{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		cgroup.StartIn(t, c, "exec sleep 1000")
		if _, err := m.Make(t.Context(), cgroup.Request{Path: path}); !errors.Is(err, cgroup.ErrBusy) && !errors.Is(err, systemd.ErrExists) {
			t.Error("made twice: ", err)
		}
		release(t, m, path)
	}
	gone(t, unit)
}

// TestSystemdCreateIsUndone: what fails after the scope is there leaves no scope, and what fails before asks for none.
func TestSystemdCreateIsUndone(t *testing.T) {
	m := newManager(t)
	path, unit := newPath(t)
	for _, r := range []*specs.LinuxResources{
		{Unified: map[string]string{"memory.nothing": "1"}}, // a file that is not there
		{Devices: []specs.LinuxDeviceCgroup{{Type: "x"}}},
		{CPU: &specs.LinuxCPU{Cpus: "4000"}},
		{Memory: &specs.LinuxMemory{Limit: ptr(int64(100)), Swap: ptr(int64(50))}},
	} {
		if _, err := m.Make(t.Context(), cgroup.Request{Path: path, Resources: r}); err == nil {
			t.Error("made with ", r)
		}
		gone(t, unit)
	}
	_, err := m.Make(t.Context(), cgroup.Request{Path: path, Annotations: map[string]string{"org.systemd.property.ExecStartPost": "'/bin/true'"}})
	if !errors.Is(err, systemd.ErrProperty) { // CVE-2024-3154
		t.Error(err)
	}
	gone(t, unit)
}

// TestSystemdMakerIsKilled: whoever made a scope and is killed before a process is in it leaves a scope that goes by itself.
func TestSystemdMakerIsKilled(t *testing.T) {
	m := newManager(t)
	path, unit := newPath(t)
	cmd := exec.Command(os.Args[0], "-test.run", "^TestSystemdMaker$")
	cmd.Env = append(os.Environ(), "CRISP_TEST_SCOPE="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // it has made the scope
		t.Error(err)
	}
	if s := show(t, unit, "ActiveState"); s["ActiveState"] != "active" {
		t.Error(s)
	}
	if err := cmd.Process.Signal(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	cgroup.Eventually(t, "the scope goes", func() bool { return show(t, unit, "LoadState")["LoadState"] == "not-found" })
	release(t, m, path)
	gone(t, unit)
}

// TestSystemdMaker is the other process of TestSystemdMakerIsKilled.
func TestSystemdMaker(t *testing.T) {
	path := os.Getenv("CRISP_TEST_SCOPE")
	if path == "" {
		t.Skip("it is TestSystemdMakerIsKilled's")
	}
	m, err := cgroup.New(cgroup.Config{Driver: systemd.New(systemd.Config{})})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Make(t.Context(), cgroup.Request{Path: path}); err != nil {
		t.Fatal(err)
	}
	fmt.Println("made")
	select {}
}

// TestSystemdUser: the systemd of a user makes scopes for who is below it already. It wants one: an ordinary user, in a scope of
// systemd-run --user --scope.
func TestSystemdUser(t *testing.T) {
	if os.Geteuid() == 0 {
		asUser(t)
		return
	}
	if os.Getenv("XDG_RUNTIME_DIR") == "" {
		t.Skip("XDG_RUNTIME_DIR is not set")
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil || !strings.Contains(string(own), "/user@") {
		t.Skipf("not below the user's systemd: %s, %v", own, err)
	}
	m, err := cgroup.New(cgroup.Config{Driver: systemd.New(systemd.Config{User: true})})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	path, unit := newPath(t)
	c, err := m.Make(t.Context(), cgroup.Request{Path: path, Resources: &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(64 << 20))}, Pids: &specs.LinuxPids{Limit: ptr(int64(1))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := cgroup.StartIn(t, c, "exec sleep 1000")
	if pids, err := c.Pids(); err != nil || len(pids) != 1 || pids[0] != cmd.Process.Pid {
		t.Error(pids, err)
	}
	if !strings.HasSuffix(c.Path(), "/user@"+fmt.Sprint(os.Getuid())+".service/crisp.slice/crisp-test.slice/"+unit) {
		t.Error(c.Path())
	}
	says(t, c, "", map[string]string{"memory.max": "67108864", "pids.max": "1"})
	if err := c.Set(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(96 << 20))}}); err != nil {
		t.Error(err)
	}
	says(t, c, "after the update: ", map[string]string{"memory.max": "100663296"})
	release(t, m, path)
	if _, err := m.Open(path); !errors.Is(err, cgroup.ErrNotFound) {
		t.Error(err)
	}
}

// asUser runs the test as a user that it makes, with a systemd that it starts: in a virtual machine alone.
func asUser(t *testing.T) {
	t.Helper()
	if os.Getenv("CRISP_VM") == "" {
		t.Skip("makes a user: for a virtual machine")
	}
	if err := systemd.New(systemd.Config{}).Booted(); err != nil {
		t.Skip(err)
	}
	script := exec.Command("/bin/sh", "-ec", `
echo ann:x:1000:1000:ann:/tmp:/bin/sh >>/etc/passwd
echo ann:x:1000: >>/etc/group
mkdir -p /run/systemd/user /run/user/1000
chown 1000:1000 /run/user/1000
printf '[Unit]\nDefaultDependencies=no\n' >/run/systemd/user/nothing.target
cat >/run/systemd/system/user@1000.service <<U
[Service]
User=1000
Type=notify
Slice=user-1000.slice
Delegate=yes
Environment=XDG_RUNTIME_DIR=/run/user/1000
ExecStart=/lib/systemd/systemd --user --unit=nothing.target
U
systemctl daemon-reload
systemctl start user@1000.service
cp "$0" /tmp/user.test
cd /tmp
code=0
setpriv --reuid 1000 --regid 1000 --clear-groups env TMPDIR=/tmp XDG_RUNTIME_DIR=/run/user/1000 \
	systemd-run --user --scope --quiet /tmp/user.test -test.run '^TestSystemdUser$' -test.v || code=$?
systemctl stop user@1000.service
exit $code`, os.Args[0])
	out, err := script.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestSystemdUser") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSystemdManyAtOnce: a node starts all its pods at a time.
func TestSystemdManyAtOnce(t *testing.T) {
	m := newManager(t)
	errs := make(chan error)
	const n = 20
	for i := range n {
		go func() {
			path := fmt.Sprintf("crisp-test.slice:crisp:many-%d-%d", os.Getpid(), i)
			c, err := m.Make(context.Background(), cgroup.Request{Path: path, Resources: usual()})
			if err == nil {
				err = c.Remove(context.Background())
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	out, err := exec.Command("systemctl", "list-units", "--all", "--no-legend", "crisp-many-*").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v: units are left: %s", err, out)
	}
}

// TestSystemdIsNotNeeded: without systemd the error is clear, comes first, and nothing is made.
func TestSystemdIsNotNeeded(t *testing.T) {
	m, err := cgroup.New(cgroup.Config{Driver: systemd.New(systemd.Config{Booted: filepath.Join(t.TempDir(), "none")})})
	if err != nil {
		t.Skip("no cgroups here: ", err)
	}
	defer m.Close()
	path, _ := newPath(t)
	_, err = m.Make(t.Context(), cgroup.Request{Path: path})
	if !errors.Is(err, systemd.ErrNotRunning) {
		t.Error(err)
	}
	if _, err := m.Open(path); !errors.Is(err, cgroup.ErrNotFound) {
		t.Error(err)
	}
}
