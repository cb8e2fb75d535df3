// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStatOfAProcessWithAnyName(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21"
	for _, comm := range []string{"sh", "a b", "a) R 1 (b", ")", "("} {
		s, err := parseStat([]byte("12 (" + comm + ")" + rest))
		if err != nil || s.state != 'S' || s.startTime != 4711 {
			t.Errorf("%q: %+v, %v", comm, s, err)
		}
	}
	for _, bad := range []string{"", "12 (sh", "12 (sh) S 1", "12 (sh)" + strings.Replace(rest, "4711", "x", 1)} {
		if s, err := parseStat([]byte(bad)); !errors.Is(err, errStat) {
			t.Errorf("%q: taken for %+v (%v)", bad, s, err)
		}
	}
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("12 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = parseStat(b) })
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"form":1,"id":"a","pid":1}`))
	f.Add([]byte(`{"form":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := parseRecord(b); err == nil && r.Form != recordForm {
			t.Errorf("a record of form %d is taken", r.Form)
		}
	})
}

func TestUserIDsAreDecimalNumbers(t *testing.T) {
	for _, bad := range []string{"", "-1", "01", "+1", " 1", "1 ", "0x0", "1e3", "4294967295", "4294967296", "18446744073709551616"} {
		if n, err := parseID(bad); err == nil {
			t.Errorf("%q: taken for %d", bad, n)
		}
	}
	for _, n := range []uint32{0, 1, 1000, 65534, 1<<31 - 1, 1 << 31, 1<<32 - 2} {
		if got, err := parseID(strconv.FormatUint(uint64(n), 10)); err != nil || got != n {
			t.Errorf("%d: %d, %v", n, got, err)
		}
	}
}

func FuzzUserID(f *testing.F) {
	f.Add("1000")
	f.Add("01")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseID(s); err == nil && strconv.FormatUint(uint64(n), 10) != s {
			t.Errorf("%q: taken for %d", s, n)
		}
	})
}

func TestSignalsHaveNamesAndNumbers(t *testing.T) {
	for s, want := range map[string]unix.Signal{
		"": unix.SIGTERM, "9": unix.SIGKILL, "KILL": unix.SIGKILL, "sigkill": unix.SIGKILL, "SIGHUP": unix.SIGHUP, "0": 0,
	} {
		if got, err := ParseSignal(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, bad := range []string{"-1", "65", "SIG", "SIGNONE", "9 "} {
		if got, err := ParseSignal(bad); err == nil {
			t.Errorf("%q: taken for %v", bad, got)
		}
	}
}

func TestIDsAreNoPaths(t *testing.T) {
	for _, bad := range []string{"", ".", "..", "a/b", "../x", "a b", "a\n", "ä", "a\x00"} {
		if ValidateID(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, good := range []string{"a", "A.b_c+d-9", "...", strings.Repeat("x", 64)} {
		if err := ValidateID(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func FuzzPasswd(f *testing.F) {
	f.Add("root:x:0:0::/root:/bin/sh\n", uint32(0))
	f.Fuzz(func(_ *testing.T, text string, uid uint32) { passwdName(strings.NewReader(text), uid) })
}
