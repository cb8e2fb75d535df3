// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"encoding/json"
	"testing"
)

type point struct {
	X, Y int64
	Name string
}

func readPoint(s *Scanner, p *point) {
	if !s.Object() {
		return
	}
	var seen Fields
	for name, ok := s.Field(); ok; name, ok = s.Field() {
		switch name {
		case "x":
			seen.Add(s, 0)
			p.X = s.Int(64)
		case "y":
			seen.Add(s, 1)
			p.Y = s.Int(8)
		case "name":
			seen.Add(s, 2)
			p.Name = s.Str()
		default:
			s.Fail()
		}
	}
}

func TestTextsOfTheForm(t *testing.T) {
	for text, want := range map[string]point{
		`{"x": 1, "y": -128}`:            {X: 1, Y: -128},
		" {\n\"name\" :\t\"a\\u0041\"} ": {Name: "aA"},
		`null`:                           {},
		`{}`:                             {},
	} {
		var p point
		s := New(text)
		if readPoint(s, &p); !s.End() || p != want {
			t.Errorf("%s: %+v", text, p)
		}
	}
}

func TestTextsOfOtherForms(t *testing.T) {
	for _, text := range []string{
		"", "{", "[]", `{"x":1}{`, `{"x":1,}`, `{"x":1 "y":2}`, `{"x":1]`, `{"y":128}`, `{"y":-129}`, `{"x":+1}`, `{"x":0x1}`, `{"x":1.}`,
		`{"x":1,"x":1}`, `{"X":1}`, `{"\u0078":1}`, `{"name":"\ud800"}`, "{\"name\":\"\xff\"}", "{\"name\":\"\x01\"}", `{"name":"a`, `{"name":"a\`,
	} {
		var p point
		s := New(text)
		if readPoint(s, &p); s.End() {
			t.Errorf("%s: taken for %+v", text, p)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a", "\"\\\n\x00\x7f<>&\u2028ü", "\xff\xc0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b := AppendString(nil, text)
		var want, plain string
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		s := New(string(b))
		if got := s.Str(); !s.End() || got != want {
			t.Errorf("%q: %q, want %q", b, got, want)
		}
		theirs, err := json.Marshal(text)
		if err != nil || json.Unmarshal(theirs, &plain) != nil || plain != want {
			t.Errorf("%q: %q, encoding/json has %q", text, want, plain)
		}
	})
}
