// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"strings"
	"unicode/utf8"
)

// Bool reads true or false; null is false.
func (s *Scanner) Bool() bool {
	switch s.peek() {
	case 't':
		s.word("true")
		return !s.failed
	case 'f':
		s.word("false")
	default:
		if !s.Null() {
			s.Fail()
		}
	}
	return false
}

// Int reads an integer of so many bits; null is 0.
func (s *Scanner) Int(bits int) int64 {
	if s.Null() {
		return 0
	}
	if !s.take('-') {
		return int64(s.digits(1<<(bits-1) - 1))
	}
	n := s.digits(1 << (bits - 1))
	if n == 0 { // "-0", which means something in floating point only
		s.Fail()
	}
	return -int64(n)
}

// Uint reads an integer of so many bits without a sign; null is 0.
func (s *Scanner) Uint(bits int) uint64 {
	if s.Null() {
		return 0
	}
	return s.digits(1<<bits - 1) // 1<<64 is 0
}

// digits reads decimal digits without a leading zero, and fails for a fraction, an exponent, and over most.
func (s *Scanner) digits(most uint64) uint64 {
	begin := s.at
	var n uint64
	for ; s.at < len(s.text); s.at++ {
		d := uint64(s.text[s.at]) - '0'
		if d > 9 {
			break
		}
		if n > most/10 || n*10 > most-d {
			s.Fail()
			return 0
		}
		n = n*10 + d
	}
	switch length := s.at - begin; {
	case length == 0, length > 1 && s.text[begin] == '0':
		s.Fail()
	case s.at < len(s.text) && strings.IndexByte(".eE", s.text[s.at]) >= 0:
		s.Fail()
	}
	return n
}

// Str reads a string; null is "".
func (s *Scanner) Str() string {
	if s.Null() {
		return ""
	}
	return s.quoted()
}

// quoted reads a string that is one.
func (s *Scanner) quoted() string {
	text, plain := s.plain()
	if plain || s.failed {
		return text
	}
	return s.unescape(text)
}

// unescape takes the escapes out of a string.
func (s *Scanner) unescape(text string) string {
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b = append(b, text[i])
			continue
		}
		i++ // there is one: plain has gone over both
		if text[i] != 'u' {
			c := simpleEscape(text[i])
			if c == 0 {
				s.Fail()
				return ""
			}
			b = append(b, c)
			continue
		}
		r, ok := hex4(text[i+1:])
		if !ok || 0xd800 <= r && r < 0xe000 { // surrogates: encoding/json has its own rules for them
			s.Fail()
			return ""
		}
		b = utf8.AppendRune(b, r)
		i += 4
	}
	return string(b)
}

func simpleEscape(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

func hex4(text string) (r rune, ok bool) {
	if len(text) < 4 {
		return 0, false
	}
	for _, c := range []byte(text[:4]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// Slice reads an array; null is nil.
func Slice[T any](s *Scanner, element func(*Scanner, *T)) []T {
	if !s.Array() {
		return nil
	}
	all := []T{}
	for s.Element() {
		all = append(all, *new(T))
		element(s, &all[len(all)-1])
	}
	return all
}

// Strings reads an array of strings; null is nil.
func Strings[T ~string](s *Scanner) []T {
	if !s.Array() {
		return nil
	}
	all := []T{}
	for s.Element() {
		all = append(all, T(s.Str()))
	}
	return all
}

// Map reads an object of any names; null is nil. Of two values with one name the last counts.
func Map[T any](s *Scanner, element func(*Scanner, *T)) map[string]T {
	if !s.Object() {
		return nil
	}
	all := map[string]T{}
	for s.more('}') {
		name := s.quoted()
		s.colon()
		var v T
		element(s, &v)
		all[name] = v
	}
	return all
}

// Raw goes over a value, whose form is not looked at, and returns its text; "" for null. Where it ends is certain if it is JSON at all.
func (s *Scanner) Raw() string {
	if s.Null() {
		return ""
	}
	begin, depth := s.at, 0
	for !s.failed {
		switch s.peek() {
		case '{', '[':
			s.at++
			depth++
		case '}', ']':
			s.at++
			depth--
		case '"':
			s.plain()
		case ',', ':':
			s.at++
		default:
			s.scalar()
		}
		if depth > maxDepth {
			s.Fail()
		}
		if depth <= 0 {
			break
		}
	}
	if s.failed || depth < 0 {
		s.Fail()
		return ""
	}
	return s.text[begin:s.at]
}

// scalar goes over a number or a word.
func (s *Scanner) scalar() {
	begin := s.at
	for s.at < len(s.text) && strings.IndexByte(" \n\t\r,:{}[]\"", s.text[s.at]) < 0 {
		s.at++
	}
	if s.at == begin {
		s.Fail()
	}
}
