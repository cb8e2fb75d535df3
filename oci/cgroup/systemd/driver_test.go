// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crisp/oci/cgroup"
)

func request(t testing.TB, d *Driver, path string, settings ...cgroup.Setting) cgroup.UnitRequest {
	t.Helper()
	u, err := d.Unit(path)
	if err != nil {
		t.Fatal(err)
	}
	return cgroup.UnitRequest{Unit: u, Settings: settings}
}

func TestAUnitsLife(t *testing.T) {
	newFake(t).peer.Close() // what the first of a process opens stays open
	before := openFiles()
	f := newFake(t)
	q := request(t, f.Driver, "kubepods-burstable.slice:crisp:ab12", cgroup.Setting{File: "memory.max", Value: "1048576"}, cgroup.Setting{File: "pids.max", Value: "7"})
	q.Annotations = map[string]string{"org.systemd.property.TimeoutStopSec": "5", "other": "'x'"}
	release, err := f.Start(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"Description": "container of crisp", "Slice": "kubepods-burstable.slice", "PIDs": []uint32{4711}, "Delegate": true, "DefaultDependencies": false,
		"CollectMode": "inactive-or-failed", "MemoryAccounting": true, "CPUAccounting": true, "IOAccounting": true, "TasksAccounting": true,
		"MemoryMax": uint64(1048576), "TasksMax": uint64(7), "TimeoutStopUSec": uint64(5000000),
	}
	if got := f.unit("crisp-ab12.scope"); !reflect.DeepEqual(got, want) {
		t.Errorf("%#v", got)
	}
	if _, holders := f.count(); holders != 1 {
		t.Error("there is no holder")
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	f.noHolder()
	f.asked()
	if err := f.Set(t.Context(), "crisp-ab12.scope", []cgroup.Setting{{File: "memory.max", Value: "max"}, {File: "memory.oom.group", Value: "1"}}); err != nil {
		t.Error(err)
	}
	if got := f.unit("crisp-ab12.scope"); got["MemoryMax"] != uint64(infinity) || got["OOMPolicy"] != nil {
		t.Error(got)
	}
	if calls := f.asked(); !reflect.DeepEqual(calls, []string{"SetUnitProperties", "Ping"}) {
		t.Error(calls)
	}
	for range 2 { // the second time there is none
		if err := f.Stop(t.Context(), "crisp-ab12.scope"); err != nil {
			t.Error(err)
		}
	}
	if f.unit("crisp-ab12.scope") != nil {
		t.Error("it is still there")
	}
	f.peer.Close()
	if after := openFiles(); after > before {
		t.Error(before, "files open before,", after, "after")
	}
}

func TestAFailedUnitMakesRoom(t *testing.T) {
	f := newFake(t)
	q := request(t, f.Driver, "a.slice:crisp:x")
	f.exists("crisp-x.scope", map[string]any{}, true)
	release, err := f.Start(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if calls := f.asked(); !reflect.DeepEqual(calls, []string{"StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"}) {
		t.Error(calls)
	}
}

func TestAUnitThatExistsIsLeftAlone(t *testing.T) {
	f := newFake(t)
	f.exists("crisp-x.scope", map[string]any{"Description": "another's"}, false)
	_, err := f.Start(t.Context(), request(t, f.Driver, "a.slice:crisp:x"))
	if !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "systemd: start crisp-x.scope: StartTransientUnit: ") {
		t.Error(err)
	}
	if f.unit("crisp-x.scope")["Description"] != "another's" {
		t.Error("it is not there any more")
	}
	f.noHolder()
}

// TestWhatGoesWrongIsNamed: the error says stage, unit and call, and nothing is left.
func TestWhatGoesWrongIsNamed(t *testing.T) {
	refuse := func(which string) func(*fakeSystemd) {
		return func(f *fakeSystemd) {
			f.answer = func(member string) error {
				if member == which {
					return systemdError("Test", "refused")
				}
				return nil
			}
		}
	}
	for name, test := range map[string]struct {
		prepare  func(*fakeSystemd)
		settings []cgroup.Setting
		want     string
		is       error
	}{
		"start": {refuse("StartTransientUnit"), nil, "systemd: start crisp-x.scope: StartTransientUnit: refused", nil},
		"version": {
			refuse("Get"), []cgroup.Setting{{File: "cpu.max", Value: "1000 100000"}}, "systemd: start crisp-x.scope: Get Version: refused", nil,
		},
		"job":       {func(f *fakeSystemd) { f.result = "failed" }, nil, "systemd: start crisp-x.scope: wait for the job: job failed: failed", ErrJob},
		"no answer": {func(f *fakeSystemd) { f.silent, f.config.Timeout = true, 50*time.Millisecond }, nil, "wait for the job: systemd has not answered for 50ms", nil},
		"no socket": {func(f *fakeSystemd) { f.config.Socket = missing(f.t) }, nil, "systemd: start crisp-x.scope: connect: connect ", nil},
		"value":     {func(*fakeSystemd) {}, []cgroup.Setting{{File: "memory.max", Value: "much"}}, `invalid resources: MemoryMax "much"`, cgroup.ErrInvalid},
		"closed": {func(f *fakeSystemd) {
			f.answer = func(string) error { return errors.New("die") }
		}, nil, "StartTransientUnit: dbus: connection closed", nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			q := request(t, f.Driver, "a.slice:crisp:x", test.settings...)
			test.prepare(f)
			_, err := f.Start(t.Context(), q)
			if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
				t.Error(err)
			}
			f.noHolder()
			if name == "no answer" && f.unit("crisp-x.scope") != nil {
				t.Error("a unit that came late is left")
			}
		})
	}
}

func TestAHostWithoutSystemd(t *testing.T) {
	f := newFake(t)
	f.config.Booted = missing(t)
	q := request(t, f.Driver, "a.slice:crisp:x")
	if _, err := f.Start(t.Context(), q); !errors.Is(err, ErrNotRunning) {
		t.Error(err)
	}
	if _, holders := f.count(); holders != 0 {
		t.Error("something was started")
	}
	if err := f.Set(t.Context(), "crisp-x.scope", []cgroup.Setting{{File: "pids.max", Value: "1"}}); !errors.Is(err, ErrNotRunning) {
		t.Error(err)
	}
	if err := f.Stop(t.Context(), "crisp-x.scope"); err != nil { // there can be none
		t.Error(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	if _, err := New(Config{User: true, Booted: t.TempDir()}).Unit("a.slice:crisp:x"); !errors.Is(err, ErrNotRunning) {
		t.Error(err)
	}
}

// TestACallerThatGoesLeavesNothing: the context of a create ends while systemd works on it.
func TestACallerThatGoesLeavesNothing(t *testing.T) {
	f := newFake(t)
	f.silent = true
	ctx, cancel := context.WithCancel(t.Context())
	f.answer = func(member string) error {
		switch member {
		case "StartTransientUnit":
			defer cancel()
		case "StopUnit":
			f.silent = false
		}
		return nil
	}
	if _, err := f.Start(ctx, request(t, f.Driver, "a.slice:crisp:x")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	f.noHolder()
}

// TestManyAtATime: each call has its own connection and its own job, and no more than some are made at a time.
func TestManyAtATime(t *testing.T) {
	f := newFake(t)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			q := request(t, f.Driver, fmt.Sprintf("a.slice:crisp:%d", i))
			release, err := f.Start(t.Context(), q)
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(release(), f.Stop(t.Context(), q.Name)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f.noHolder()
	if units, _ := f.count(); units != 0 {
		t.Error(units, " units are left")
	}
}

func TestTheUsersSystemd(t *testing.T) {
	f := newFake(t)
	f.config.User = true
	for range 2 {
		u, err := f.Unit(":crisp:x")
		want := cgroup.Unit{Name: "crisp-x.scope", Slice: "user.slice", Directory: "/user.slice/user-1000.slice/user@1000.service/user.slice/crisp-x.scope"}
		if err != nil || u != want {
			t.Error(u, err)
		}
	}
	if calls := f.asked(); !slices.Equal(calls, []string{"Get"}) {
		t.Error("asked more than once: ", calls)
	}
	// Who is not below it is told what to do, before anything is made.
	f.config.Self = filepath.Join(t.TempDir(), "cgroup")
	for own, ok := range map[string]bool{
		"/user.slice/user-1000.slice/user@1000.service/app.slice/a.scope": true, "/user.slice/user-1000.slice/session-1.scope": false, "/": false,
	} {
		if err := os.WriteFile(f.config.Self, []byte("0::"+own+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		release, err := f.Start(t.Context(), request(t, f.Driver, ":crisp:x"))
		if ok {
			if err != nil {
				t.Fatal(own, err)
			}
			if err := errors.Join(release(), f.Stop(t.Context(), "crisp-x.scope")); err != nil {
				t.Error(err)
			}
		} else if !errors.Is(err, ErrOutside) || !strings.Contains(err.Error(), "systemd-run --user --scope") {
			t.Error(own, err)
		}
	}
	q := request(t, f.Driver, ":crisp:x")
	q.V1 = true
	if _, err := f.Start(t.Context(), q); !errors.Is(err, ErrOutside) {
		t.Error(err)
	}
	f.noHolder()
}
