// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

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
	f.Add([]byte("{\"form\":2,\"id\":\"a\",\"pid\":1}\n{}"))
	f.Add([]byte("{\"form\":1}\n"))
	full := filledRecord()
	f.Add(full.text())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, config, err := parseRecord(b)
		if err != nil {
			return
		}
		if len(r.Annotations) == 0 { // no matter which
			r.Annotations = nil
		}
		if len(r.Notes) == 0 {
			r.Notes = nil
		}
		again, sameConfig, err := parseRecord(append(r.text(), config...))
		if err != nil || !reflect.DeepEqual(again, r) || !bytes.Equal(config, sameConfig) {
			t.Errorf("%q is read as\n%+v, and that as\n%+v: %v", b, r, again, err)
		}
	})
}

// filledRecord has something in every field.
func filledRecord() record {
	r := record{Created: time.Date(2026, 11, 25, 9, 0, 0, 123456789, time.UTC)}
	v := reflect.ValueOf(&r).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			f.SetString("\"text\\\n\x00 ü")
		case bool:
			f.SetBool(true)
		case int:
			f.SetInt(math.MaxInt32)
		case uint64:
			f.SetUint(math.MaxUint64)
		case []string:
			f.Set(reflect.ValueOf([]string{"a", ""}))
		case map[string]string:
			f.Set(reflect.ValueOf(map[string]string{"a\n": "b", "c": ""}))
		case map[int]string:
			f.Set(reflect.ValueOf(map[int]string{1: "b", 20: ""}))
		}
	}
	return r
}

// TestRecordKeepsEveryField: a field that is not written, or not read, would be lost.
func TestRecordKeepsEveryField(t *testing.T) {
	want := filledRecord()
	v := reflect.ValueOf(want)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s: of a type that this test does not fill", v.Type().Field(i).Name)
		}
	}
	got, config, err := parseRecord(append(want.text(), "{\n}"...))
	if err != nil || !reflect.DeepEqual(got, want) || string(config) != "{\n}" {
		t.Errorf("%+v\nis read as\n%+v: %v", want, got, err)
	}
	if got, _, err = parseRecord((&record{Hierarchies: []string{}}).text()); err != nil || got.Hierarchies == nil {
		t.Errorf("no hierarchies became all: %v", err)
	}
}

func TestRecordsOfOtherFormsAreRefused(t *testing.T) {
	for text, words := range map[string]string{
		"{\"form\":1,\"id\":\"a\",\"spec\":{}}\n": "form 1", "": "torn", "{\"form\":2": "torn", "{\"form\":2,\"none\":1}\n": "malformed",
		"{\"form\":2} x\n": "malformed", "{}\n": "malformed", "null\n": "malformed", "{\"form\":3}\n": "form 3",
	} {
		if _, _, err := parseRecord([]byte(text)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", text, err)
		}
	}
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
