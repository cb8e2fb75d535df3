// SPDX-License-Identifier: Apache-2.0

package criu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asCriu is how the test's own program is started in criu's place: its value says what it does.
const asCriu = "CRISP_TEST_CRIU"

func TestMain(m *testing.M) {
	if how := os.Getenv(asCriu); how != "" {
		serve(how)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve answers one request, on descriptor 3.
func serve(how string) {
	b := make([]byte, 1<<16)
	n, err := unix.Read(3, b)
	if err != nil {
		os.Exit(9)
	}
	send := func(m message, files ...int) {
		var oob []byte
		if len(files) > 0 {
			oob = unix.UnixRights(files...)
		}
		if err := unix.Sendmsg(3, m, oob, nil, 0); err != nil {
			os.Exit(8)
		}
	}
	answer := func(t Type, ok bool) (m message) {
		m.number(1, int64(t))
		m.number(2, map[bool]int64{true: 1}[ok])
		return m
	}
	q := known(b[:n])
	switch how {
	case "version":
		m := answer(Version, true)
		var v message
		v.number(1, 3)
		v.number(2, 17)
		v.number(4, 1)
		m.bytes(10, v)
		send(m)
	case "fails":
		m := answer(Dump, false)
		m.number(7, 95)
		m.text(9, "no way")
		send(m)
	case "dies":
	case "garbage":
		send(message{0xff})
	case "hangs":
		_, _ = unix.Read(3, b)
	case "notifies":
		m := answer(notify, true)
		var note message
		note.text(1, OrphanPtsMaster)
		note.number(2, 4711)
		m.bytes(5, note)
		send(m, 0)
		n, _ := unix.Read(3, b)
		if got := known(b[:n]); got[3] != "1" {
			os.Exit(7) // told to give up
		}
		if q[1] != "2" {
			os.Exit(6)
		}
		m = answer(Restore, true)
		var r message
		r.number(1, 4711)
		m.bytes(4, r)
		send(m)
	}
}

// known is a message's fields as text; a message in it stays as it is.
func known(b []byte) map[int]string {
	m := map[int]string{}
	_ = fields(b, func(field int, n uint64, part []byte) error {
		m[field] += fmt.Sprint(n)
		if part != nil {
			m[field] = string(part)
		}
		return nil
	})
	return m
}

func start(t *testing.T, how string) *Process {
	t.Helper()
	t.Setenv(asCriu, how)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p, err := Start(Command{Program: os.Args[0], Stdin: null, Stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestVersionIsOneNumber(t *testing.T) {
	p := start(t, "version")
	r, err := p.Do(t.Context(), Request{Type: Version}, nil)
	if err != nil || r.Version != 31701 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

func TestErrorsOfCriu(t *testing.T) {
	for how, want := range map[string]string{
		"fails": "criu failed: type DUMP errno 95: no way", "dies": ErrEnded.Error(), "garbage": "criu: malformed message",
	} {
		p := start(t, how)
		if _, err := p.Do(t.Context(), Request{Type: Dump}, nil); err == nil || err.Error() != want {
			t.Errorf("%s: %v", how, err)
		}
		_ = p.Wait()
	}
	p := start(t, "hangs")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Do(ctx, Request{Type: Dump}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hangs: %v", err)
	}
	if err := p.Wait(); err == nil {
		t.Error("what hung was not killed")
	}
}

func TestNotificationsBringFiles(t *testing.T) {
	p := start(t, "notifies")
	var got Notification
	r, err := p.Do(t.Context(), Request{Type: Restore, Options: &Options{}}, func(n Notification) error {
		got = n
		return nil
	})
	if err != nil || r.Pid != 4711 || got.Name != OrphanPtsMaster || got.Pid != 4711 || len(got.Files) != 1 {
		t.Fatalf("%+v, %+v, %v", r, got, err)
	}
	if to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", got.Files[0].Fd())); err != nil || to != os.DevNull {
		t.Errorf("the file is %s, %v", to, err)
	}
	got.Files[0].Close()
	if err := p.Wait(); err != nil {
		t.Error(err)
	}

	p = start(t, "notifies")
	stop := errors.New("stop")
	if _, err := p.Do(t.Context(), Request{Type: Restore}, func(n Notification) error {
		closeAll(n.Files)
		return stop
	}); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	if err := p.Wait(); err == nil {
		t.Error("criu was told that all is well")
	}
}

// The numbers are those of criu's images/rpc.proto, written down a second time.
func TestOptionsHaveTheNumbersOfCriu(t *testing.T) {
	o := Options{
		ImagesFD: 5, WorkFD: 6, Pid: 7, Root: "/root", LogFile: "x.log", LogLevel: 4, LeaveRunning: true, ExtUnixSk: true, TCPEstablished: true,
		TCPSkipInFlight: true, EvasiveDevices: true, ShellJob: true, FileLocks: true, LinkRemap: true, TrackMem: true, AutoDedup: true,
		LazyPages: true, OrphanPtsMaster: true, RstSibling: true, PageServerAddress: "::1", PageServerPort: 27, ParentImage: "../p",
		CgroupMode: 3, CgroupRoots: []Pair{{"cpu", "/c"}}, FreezeCgroup: "/f", ExternalMounts: []Pair{{"/k", "/v"}}, External: []string{"net[1]:x"},
		InheritFDs: []InheritFD{{"pipe:[1]", 0}}, JoinNamespaces: []Pair{{"uts", "/n"}}, EmptyNamespace: 0x40000000, ConfigFile: "/conf",
		LSMProfile: "apparmor:x", LSMMountContext: "ctx", StatusFD: 9,
	}
	got := known(o.encode())
	for field, want := range map[int]string{
		1: "5", 2: "7", 3: "1", 4: "1", 5: "1", 6: "1", 7: "1", 8: "1", 9: "4", 10: "x.log", 11: "\x0a\x03::1\x10\x1b", 12: "1", 13: "/root", 14: "../p",
		15: "1", 16: "1", 17: "6", 18: "1", 23: "\x0a\x02/k\x12\x02/v", 24: "1", 25: "\x0a\x03cpu\x12\x02/c", 26: "1", 27: "\x0a\x08pipe:[1]\x10\x00",
		34: "3", 37: "net[1]:x", 38: "1073741824", 39: "\x0a\x03uts\x12\x02/n", 44: "/f", 46: "1", 48: "1", 49: "9", 50: "1", 51: "/conf",
		53: "apparmor:x", 63: "ctx",
	} {
		if got[field] != want {
			t.Errorf("field %d: %q, want %q", field, got[field], want)
		}
		delete(got, field)
	}
	if len(got) > 0 {
		t.Errorf("and more: %v", got)
	}
}

func TestCgroupModes(t *testing.T) {
	for s, want := range map[string]CgroupMode{"": 6, "ignore": 0, "soft": 3, "full": 4, "strict": 5} {
		if got, err := ParseCgroupMode(s); got != want || err != nil {
			t.Errorf("%q: %d, %v", s, got, err)
		}
	}
	if _, err := ParseCgroupMode("hard"); err == nil {
		t.Error("hard is a mode")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x08, 2, 0x10, 1, 0x22, 2, 0x08, 7})
	f.Add([]byte{0x52, 6, 0x08, 3, 0x10, 17, 0x1a, 0})
	f.Add([]byte{0x0d, 1, 2, 3, 4, 0x09, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte{0x2a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decode(b)
		if err != nil && !reflect.DeepEqual(r, Response{}) {
			t.Errorf("%+v with %v", r, err)
		}
		if strings.ToValidUTF8(r.Message, "") != r.Message {
			t.Error("a message that is no text")
		}
	})
}

// What is encoded is decoded to the same.
func FuzzWire(f *testing.F) {
	f.Add(1, int64(-1), []byte("x"))
	f.Fuzz(func(t *testing.T, field int, n int64, b []byte) {
		if field <= 0 || field > 1<<28 {
			return
		}
		var m message
		m.number(field, n)
		m.bytes(field, b)
		var numbers []int64
		var parts [][]byte
		err := fields(m, func(got int, v uint64, part []byte) error {
			if got != field {
				t.Errorf("field %d", got)
			}
			if part == nil && len(numbers) == 0 {
				numbers = append(numbers, int64(v))
			} else {
				parts = append(parts, part)
			}
			return nil
		})
		if err != nil || !slices.Equal(numbers, []int64{n}) || len(parts) != 1 || string(parts[0]) != string(b) {
			t.Errorf("%d %q: %v %q %v", n, b, numbers, parts, err)
		}
	})
}
