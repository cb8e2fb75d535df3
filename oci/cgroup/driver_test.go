// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A fakeDriver does what systemd does, as far as the file system shows it: it makes the cgroup with a process in it.
type fakeDriver struct {
	t      testing.TB
	m      *Manager
	log    []string // what happened, in order
	refuse error    // what Start and Set say
}

var errRefused = errors.New("refused")

func (d *fakeDriver) note(format string, args ...any) {
	d.log = append(d.log, fmt.Sprintf(format, args...))
}

func (d *fakeDriver) Unit(cgroupsPath string) (Unit, error) {
	slice, rest, _ := strings.Cut(cgroupsPath, ":")
	name := testPrefix()[1:] + path.Base(rest)
	if slice == "bad" {
		return Unit{}, errRefused
	}
	return Unit{Name: name, Slice: slice, Directory: "/" + testPrefix() + name}, nil
}

// Start puts a process into every hierarchy.
func (d *fakeDriver) Start(_ context.Context, q UnitRequest) (func() error, error) {
	d.note("start %s %v", q.Slice, q.Settings)
	if d.refuse != nil {
		return nil, d.refuse
	}
	holder := exec.Command("sleep", "1000")
	if err := holder.Start(); err != nil {
		return nil, err
	}
	dir := strings.TrimPrefix(q.Directory, "/")
	for _, h := range d.m.hierarchies {
		made, err := h.mkdir(dir)
		if err == nil && made {
			err = h.prepare(dir)
		}
		if err == nil {
			err = h.write(path.Join(dir, "cgroup.procs"), fmt.Sprint(holder.Process.Pid))
		}
		if err != nil {
			d.t.Error(err)
		}
	}
	return func() error {
		d.note("release")
		err := holder.Process.Kill()
		_ = holder.Wait()
		return err
	}, nil
}

func (d *fakeDriver) Set(_ context.Context, _ string, settings []Setting) error {
	d.note("set %v", settings)
	return d.refuse
}

func (d *fakeDriver) Stop(_ context.Context, unit string) error {
	for _, h := range d.m.hierarchies {
		if exists(h, testPrefix()+unit) {
			d.t.Error("stopped while its directory is there: ", h.dir)
		}
	}
	d.note("stop")
	return nil
}

// happened compares what was noted since the last time.
func (d *fakeDriver) happened(want ...string) {
	d.t.Helper()
	if !slices.Equal(d.log, want) {
		d.t.Errorf("happened:\n%s\nnot:\n%s", strings.Join(d.log, "\n"), strings.Join(want, "\n"))
	}
	d.log = nil
}

func newDriven(t *testing.T) (*Manager, *fakeDriver) {
	m := newManager(t)
	if m.controller("pids") == nil {
		t.Skip("no pids controller")
	}
	d := &fakeDriver{t: t, m: m}
	m.driver = d
	return m, d
}

func pidsLimit(n int64) *specs.LinuxResources {
	return &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &n}}
}

// TestADriversProcessLeavesInTime: it is there until the first of the container's is, and takes nothing of its limit.
func TestADriversProcessLeavesInTime(t *testing.T) {
	m, d := newDriven(t)
	c, err := m.Create("a.slice:crisp:1", pidsLimit(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { destroy(t, c) })
	d.happened("start a.slice [{pids.max 1}]")
	if got := file(t, c, "pids", "pids.max"); got != "2" {
		t.Error("while both are there, pids.max is ", got)
	}
	cmd := start(t, c, "exec sleep 1000") // which closes its Join
	d.happened("release")
	if got := file(t, c, "pids", "pids.max"); got != "1" {
		t.Error("pids.max is ", got)
	}
	if pids, err := c.Pids(); err != nil || !reflect.DeepEqual(pids, []int{cmd.Process.Pid}) {
		t.Error(pids, err)
	}
	opened, err := m.Open("a.slice:crisp:1")
	if err != nil || opened.Path() != c.Path() {
		t.Error(opened, err)
	}
	if err := m.Release(t.Context(), "a.slice:crisp:1"); err != nil {
		t.Error(err)
	}
	d.happened("stop")
	if err := m.Release(t.Context(), "a.slice:crisp:1"); err != nil { // its unit might be left without a directory
		t.Error(err)
	}
	d.happened("stop")
	d.log = nil
}

// TestADriverHearsOfAnUndo: nothing is left of a create that fails, and the driver is asked for none that cannot succeed.
func TestADriverHearsOfAnUndo(t *testing.T) {
	m, d := newDriven(t)
	for _, r := range []*specs.LinuxResources{
		{Devices: []specs.LinuxDeviceCgroup{{Type: "x"}}}, {CPU: &specs.LinuxCPU{Cpus: "4000"}},
	} {
		if _, err := m.Create("a.slice:crisp:2", r); err == nil {
			t.Error("made with ", r)
		}
		if n := len(d.log); n < 2 || d.log[n-1] != "stop" || d.log[n-2] != "release" {
			t.Error(d.log)
		}
		d.log = nil
	}
	if _, err := m.Create("a.slice:crisp:2", &specs.LinuxResources{Memory: &specs.LinuxMemory{Swap: ptr(int64(5))}}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if _, err := m.Create("bad:crisp:2", nil); !errors.Is(err, errRefused) {
		t.Error(err)
	}
	d.happened()
	d.refuse = errRefused
	if _, err := m.Create("a.slice:crisp:2", nil); !errors.Is(err, errRefused) {
		t.Error(err)
	}
	d.happened("start a.slice []")
	if _, err := m.Open("a.slice:crisp:2"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// TestADriverKnowsWhatTheFilesSay: also when it, or the kernel, refuses.
func TestADriverKnowsWhatTheFilesSay(t *testing.T) {
	m, d := newDriven(t)
	c, err := m.Create("a.slice:crisp:3", pidsLimit(7))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { destroy(t, c) })
	start(t, c, "exec sleep 1000")
	d.log = nil
	if err := c.Set(pidsLimit(9)); err != nil {
		t.Error(err)
	}
	d.happened("set [{pids.max 9}]")
	d.refuse = errRefused
	if err := c.Set(pidsLimit(11)); !errors.Is(err, errRefused) {
		t.Error(err)
	}
	d.happened("set [{pids.max 11}]", "set [{pids.max 9}]")
	if got := file(t, c, "pids", "pids.max"); got != "9" {
		t.Error("pids.max is ", got)
	}
	d.refuse = nil
	r := pidsLimit(11)
	r.HugepageLimits = []specs.LinuxHugepageLimit{{Pagesize: "3MB"}} // no such file
	if m.controller("hugetlb") == nil {
		return
	}
	if err := c.Set(r); err == nil {
		t.Error("a file that is not there was written")
	}
	d.happened("set [{pids.max 9}]") // the files were written back; that it has heard of nothing else does no harm
	if got := file(t, c, "pids", "pids.max"); got != "9" {
		t.Error("pids.max is ", got)
	}
}

// TestKillTakesTheDriversProcess: of a container that came to nothing.
func TestKillTakesTheDriversProcess(t *testing.T) {
	m, d := newDriven(t)
	c, err := m.Create("a.slice:crisp:4", nil)
	if err != nil {
		t.Fatal(err)
	}
	destroy(t, c)
	d.happened("start a.slice []", "release", "stop")
}
