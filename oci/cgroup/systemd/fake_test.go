// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"crisp/oci/cgroup/systemd/dbus/dbustest"
)

// A fakeSystemd does with units what systemd does, as far as a client sees it.
type fakeSystemd struct {
	*Driver
	peer *dbustest.Peer
	t    testing.TB

	mu      sync.Mutex // guards what follows
	units   map[string]map[string]any
	failed  map[string]bool // those of units that systemd keeps
	calls   []string
	jobs    int
	result  string // of jobs; "" is done
	answer  func(member string) error
	silent  bool // no job ends
	holders int
	held    int
}

func newFake(t testing.TB) *fakeSystemd {
	f := &fakeSystemd{t: t, units: map[string]map[string]any{}, failed: map[string]bool{}}
	f.peer = dbustest.Listen(t, f.handle)
	f.Driver = New(Config{Socket: f.peer.Socket, Booted: t.TempDir(), Timeout: 20 * time.Second, Hold: f.hold})
	return f
}

func (f *fakeSystemd) hold() (int, func() error, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.holders++
	f.held++
	return 4711, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.held--
		return nil
	}, nil
}

func (f *fakeSystemd) handle(c *dbustest.Client, member string, args []any) ([]any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, member)
	if f.answer != nil {
		if err := f.answer(member); err != nil {
			return nil, err
		}
	}
	switch member {
	case "StartTransientUnit":
		name := args[0].(string)
		if f.units[name] != nil {
			return nil, systemdError("UnitExists", "Unit %s was already loaded or has a fragment file.", name)
		}
		f.units[name] = properties(args[2])
		return f.job(c, name)
	case "StopUnit":
		name := args[0].(string)
		if f.units[name] == nil {
			return nil, systemdError("NoSuchUnit", "Unit %s not loaded.", name)
		}
		delete(f.units, name)
		return f.job(c, name)
	case "ResetFailedUnit":
		name := args[0].(string)
		if f.units[name] == nil {
			return nil, systemdError("NoSuchUnit", "Unit %s not loaded.", name)
		}
		if f.failed[name] {
			delete(f.units, name)
		}
	case "SetUnitProperties":
		for k, v := range properties(args[2]) {
			f.units[args[0].(string)][k] = v
		}
	case "Get":
		return []any{dbus.MakeVariant(map[string]string{"Version": "252.39-1~deb12u1", "ControlGroup": "/user.slice/user-1000.slice/user@1000.service"}[args[1].(string)])}, nil
	}
	return nil, nil
}

// job answers with a job, which ends at once, among signals of others.
func (f *fakeSystemd) job(c *dbustest.Client, unit string) ([]any, error) {
	f.jobs++
	job := dbus.ObjectPath(fmt.Sprint("/org/freedesktop/systemd1/job/", f.jobs))
	if f.silent {
		return []any{job}, nil
	}
	result := f.result
	if result == "" {
		result = "done"
	}
	for _, s := range [][]any{
		{"UnitNew", unit, dbus.ObjectPath("/u")},
		{"JobRemoved", uint32(9999), dbus.ObjectPath("/another"), "other.service", "failed"},
		{"JobRemoved", uint32(f.jobs), job, unit, result},
	} {
		if err := c.Signal(s[0].(string), s[1:]...); err != nil {
			return nil, err
		}
	}
	return []any{job}, nil
}

func properties(arg any) map[string]any {
	m := map[string]any{}
	for _, p := range arg.([][]any) {
		m[p[0].(string)] = p[1].(dbus.Variant).Value()
	}
	return m
}

func systemdError(name, format string, args ...any) error {
	return dbus.Error{Name: "org.freedesktop.systemd1." + name, Body: []any{fmt.Sprintf(format, args...)}}
}

// unit returns a copy of a unit's properties; nil: there is none.
func (f *fakeSystemd) unit(name string) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.units[name] == nil {
		return nil
	}
	m := map[string]any{}
	for k, v := range f.units[name] {
		m[k] = v
	}
	return m
}

func (f *fakeSystemd) noHolder() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held != 0 {
		f.t.Errorf("%d holders are left", f.held)
	}
}

func missing(t testing.TB) string { return filepath.Join(t.TempDir(), "none") }

func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

// asked returns the calls since the last time.
func (f *fakeSystemd) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

// count returns how many units there are, and how many holders were ever started.
func (f *fakeSystemd) count() (units, holders int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.units), f.holders
}

// exists has a unit that somebody else made.
func (f *fakeSystemd) exists(name string, properties map[string]any, failed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.units[name], f.failed[name] = properties, failed
}
