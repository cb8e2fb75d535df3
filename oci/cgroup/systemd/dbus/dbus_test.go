// SPDX-License-Identifier: Apache-2.0

package dbus_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"crisp/oci/cgroup/systemd/dbus"
	"crisp/oci/cgroup/systemd/dbus/dbustest"
)

func call(member string, body ...any) dbus.Call {
	return dbus.Call{Destination: "org.freedesktop.systemd1", Path: "/org/freedesktop/systemd1", Interface: "org.freedesktop.systemd1.Manager", Member: member, Body: body}
}

func dial(t *testing.T, handle func(c *dbustest.Client, member string, args []any) ([]any, error)) *dbus.Conn {
	t.Helper()
	c, err := dbus.Dial(t.Context(), dbustest.Listen(t, handle).Socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestTheLibraryReadsWhatIsSent: each type arrives as godbus knows it.
func TestTheLibraryReadsWhatIsSent(t *testing.T) {
	arrived := make(chan []any, 1)
	c := dial(t, func(_ *dbustest.Client, _ string, args []any) ([]any, error) {
		arrived <- args
		return []any{"done", true, uint32(7), uint64(1) << 40, godbus.ObjectPath("/a"), godbus.MakeVariant("in a variant")}, nil
	})
	reply, err := c.Call(call("StartTransientUnit",
		"a.scope", "replace", true, false, int32(-2), uint32(3), int64(-4), uint64(5), dbus.ObjectPath("/o"), []byte{1, 2, 3}, []uint32{42}, []string{"x", "yz"},
		dbus.Properties{
			{Name: "Description", Value: "größer"}, {Name: "PIDs", Value: []uint32{1, 2}}, {Name: "Delegate", Value: true},
			{Name: "AllowedCPUs", Value: []byte{3}}, {Name: "MemoryMax", Value: uint64(1 << 63)}, {Name: "After", Value: []string{}},
		},
		dbus.Units{}, dbus.Units{{Name: "b.service", Properties: dbus.Properties{{Name: "X", Value: int32(1)}}}},
	))
	if err != nil {
		t.Fatal(err)
	}
	property := func(name string, v any) []any { return []any{name, godbus.MakeVariant(v)} }
	want := []any{
		"a.scope", "replace", true, false, int32(-2), uint32(3), int64(-4), uint64(5), godbus.ObjectPath("/o"), []byte{1, 2, 3}, []uint32{42}, []string{"x", "yz"},
		[][]any{
			property("Description", "größer"), property("PIDs", []uint32{1, 2}), property("Delegate", true),
			property("AllowedCPUs", []byte{3}), property("MemoryMax", uint64(1<<63)), property("After", []string{}),
		},
		[][]any{}, [][]any{{"b.service", [][]any{property("X", int32(1))}}},
	}
	if got := <-arrived; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
	values, err := reply.Values()
	if err != nil || !reflect.DeepEqual(values, []any{"done", uint64(1), uint64(7), uint64(1) << 40, "/a", "in a variant"}) {
		t.Error(values, err)
	}
	if texts, err := reply.Strings(); err != nil || !reflect.DeepEqual(texts, []string{"done", "/a", "in a variant"}) {
		t.Error(texts, err)
	}
}

func TestSignalsWaitForWhoeverWantsThem(t *testing.T) {
	c := dial(t, func(c *dbustest.Client, member string, _ []any) ([]any, error) {
		if err := c.Signal("JobRemoved", uint32(1), godbus.ObjectPath("/job/1"), "a.scope", "done"); err != nil {
			return nil, err
		}
		// Nobody reads this one's arguments, which have a type that cannot be read.
		return nil, c.Signal("PropertiesChanged", map[string]godbus.Variant{"A": godbus.MakeVariant("b")})
	})
	for range 2 {
		if _, err := c.Call(call("Subscribe")); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"JobRemoved", "PropertiesChanged", "JobRemoved", "PropertiesChanged"} {
		m, err := c.Signal()
		if err != nil || m.Member != want || m.Path != "/org/freedesktop/systemd1" {
			t.Fatal(i, m.Member, m.Path, err)
		}
		texts, err := m.Strings()
		if want == "JobRemoved" && (err != nil || !reflect.DeepEqual(texts, []string{"/job/1", "a.scope", "done"})) {
			t.Error(texts, err)
		}
		if want != "JobRemoved" && !errors.Is(err, dbus.ErrProtocol) {
			t.Error("its arguments were read: ", texts, err)
		}
	}
}

func TestAnErrorHasItsName(t *testing.T) {
	c := dial(t, func(*dbustest.Client, string, []any) ([]any, error) {
		return nil, godbus.Error{Name: "org.freedesktop.systemd1.UnitExists", Body: []any{"Unit a.scope already exists."}}
	})
	_, err := c.Call(call("StartTransientUnit"))
	var e *dbus.Error
	if !errors.As(err, &e) || e.Name != "org.freedesktop.systemd1.UnitExists" || err.Error() != "Unit a.scope already exists. (org.freedesktop.systemd1.UnitExists)" {
		t.Error(err)
	}
}

// TestAStuckPeerEndsWithTheContext: a peer that takes the call and never answers, as PID 1 does while it is stopped.
func TestAStuckPeerEndsWithTheContext(t *testing.T) {
	got, over := make(chan bool, 1), make(chan bool)
	p := dbustest.Listen(t, func(*dbustest.Client, string, []any) ([]any, error) {
		got <- true
		<-over
		return nil, nil
	})
	defer close(over)
	ctx, cancel := context.WithCancelCause(t.Context())
	c, err := dbus.Dial(ctx, p.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	enough := errors.New("enough")
	go func() { <-got; cancel(enough) }()
	if _, err := c.Call(call("StopUnit")); !errors.Is(err, enough) {
		t.Error(err)
	}
	if _, err := c.Call(call("StopUnit")); !errors.Is(err, enough) {
		t.Error("afterwards: ", err)
	}
}

func TestAPeerThatIsGone(t *testing.T) {
	c := dial(t, func(*dbustest.Client, string, []any) ([]any, error) { return nil, errors.New("die") })
	if _, err := c.Call(call("StopUnit")); !errors.Is(err, dbus.ErrClosed) {
		t.Error(err)
	}
	if _, err := dbus.Dial(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	if _, err := dbus.Dial(ctx, "/nowhere"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestARefusalIsSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(l)
	if err := errors.Join(unix.Bind(l, &unix.SockaddrUnix{Name: path}), unix.Listen(l, 1)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		fd, _, err := unix.Accept(l)
		if err == nil {
			_, err = unix.Write(fd, []byte("REJECTED EXTERNAL\r\n"))
			defer unix.Close(fd)
		}
		done <- err
	}()
	if _, err := dbus.Dial(t.Context(), path); !errors.Is(err, dbus.ErrAuth) {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWhatCannotBeSent(t *testing.T) {
	c := dial(t, func(*dbustest.Client, string, []any) ([]any, error) { return nil, nil })
	for _, v := range []any{"a\x00b", "\xff", 1, 1.5, map[string]string{}, dbus.Properties{{Name: "A", Value: struct{}{}}}} {
		if _, err := c.Call(call("X", v)); !errors.Is(err, dbus.ErrInvalid) {
			t.Errorf("%#v: %v", v, err)
		}
	}
	if _, err := c.Call(call("X", "and the connection still works")); err != nil {
		t.Error(err)
	}
}
