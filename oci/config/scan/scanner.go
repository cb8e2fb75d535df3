// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"strings"
	"unicode/utf8"
)

// maxDepth bounds what Skip goes into. encoding/json refuses 10,000.
const maxDepth = 256

// A Scanner reads one text. Strings that it gives share the text's memory.
type Scanner struct {
	Aside string // the reader's: what it wants to keep of the text beside the value

	text   string
	at     int
	first  bool // nothing of the object or array that was just entered has been read
	failed bool
}

// New returns a Scanner at the beginning of a text.
func New(text string) *Scanner { return &Scanner{text: text} }

// Fail says that the text is not of the form. From here on nothing is read.
func (s *Scanner) Fail() {
	s.failed = true
	s.at = len(s.text)
}

// End says whether the text was of the form, and is at its end.
func (s *Scanner) End() bool {
	s.space()
	return !s.failed && s.at == len(s.text)
}

// space skips white space.
func (s *Scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\n', '\t', '\r':
			s.at++
		default:
			return
		}
	}
}

// peek returns the first byte that is not white space; 0 at the end.
func (s *Scanner) peek() byte {
	s.space()
	if s.at == len(s.text) {
		return 0
	}
	return s.text[s.at]
}

// take goes over a byte, if it is the next.
func (s *Scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// Null goes over a null, if that is next.
func (s *Scanner) Null() bool {
	if s.peek() != 'n' {
		return false
	}
	s.word("null")
	return true
}

func (s *Scanner) word(w string) {
	if !strings.HasPrefix(s.text[s.at:], w) {
		s.Fail()
		return
	}
	s.at += len(w)
}

// Object enters an object. It says no for null, which is as good as an object without anything.
func (s *Scanner) Object() bool { return s.enter('{') }

// Array enters an array. It says no for null.
func (s *Scanner) Array() bool { return s.enter('[') }

func (s *Scanner) enter(c byte) bool {
	if s.Null() {
		return false
	}
	if !s.take(c) {
		s.Fail()
		return false
	}
	s.first = true
	return true
}

// more says whether the object or array that ends with c goes on, and leaves it otherwise.
func (s *Scanner) more(c byte) bool {
	first := s.first
	s.first = false
	switch next := s.peek(); {
	case next == c:
		s.at++
		return false
	case s.failed:
		return false
	case first:
		return true
	case next != ',':
		s.Fail()
		return false
	}
	s.at++
	return true
}

// Field goes to the next field of the object, if there is one, and reads its name.
func (s *Scanner) Field() (name string, ok bool) {
	if !s.more('}') {
		return "", false
	}
	name, plain := s.plain()
	if !plain {
		s.Fail()
	}
	s.colon()
	return name, !s.failed
}

func (s *Scanner) colon() {
	if !s.take(':') {
		s.Fail()
	}
}

// Element goes to the next element of the array, if there is one.
func (s *Scanner) Element() bool { return s.more(']') && !s.failed }

// plain reads a string that has no escapes; what is between its quotes, otherwise.
func (s *Scanner) plain() (text string, plain bool) {
	if !s.take('"') {
		s.Fail()
		return "", true
	}
	begin := s.at
	plain = true
	var all byte
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			text = s.text[begin:s.at]
			s.at++
			if all >= utf8.RuneSelf && !utf8.ValidString(text) {
				s.Fail()
			}
			return text, plain
		case c == '\\':
			plain = false
			s.at += 2
		case c < ' ':
			s.Fail()
			return "", true
		default:
			all |= c
			s.at++
		}
	}
	s.Fail()
	return "", true
}

// Fields are the fields of an object that were there already, by their numbers.
type Fields uint64

// Add notes a field, and fails when it is the second of its name.
func (f *Fields) Add(s *Scanner, n int) {
	if *f&(1<<n) != 0 {
		s.Fail()
	}
	*f |= 1 << n
}
