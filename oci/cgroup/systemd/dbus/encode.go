// SPDX-License-Identifier: Apache-2.0

package dbus

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Types of arguments beside Go's string (s), bool (b), int32 (i), uint32 (u), int64 (x), uint64 (t), []byte (ay), []uint32 (au) and
// []string (as).
type (
	// ObjectPath is o.
	ObjectPath string
	// A Property is a name and a value of any of the types: (sv).
	Property struct {
		Name  string
		Value any
	}
	// Properties are a(sv).
	Properties []Property
	// Units are a(sa(sv)).
	Units []struct {
		Name       string
		Properties Properties
	}
)

// signature is a value's type ("Type System"); "" for a type that this package does not write.
func signature(v any) string {
	switch v.(type) {
	case string:
		return "s"
	case ObjectPath:
		return "o"
	case bool:
		return "b"
	case int32:
		return "i"
	case uint32:
		return "u"
	case int64:
		return "x"
	case uint64:
		return "t"
	case []byte:
		return "ay"
	case []uint32:
		return "au"
	case []string:
		return "as"
	case Properties:
		return "a(sv)"
	case Units:
		return "a(sa(sv))"
	}
	return ""
}

// An encoder writes values little-endian, each aligned from the start of the message ("Marshaling (Wire Format)"). A body starts at a multiple
// of 8, so it can be written by itself.
type encoder struct {
	b   []byte
	err error
}

func (e *encoder) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
}

func (e *encoder) align(n int) {
	for len(e.b)%n != 0 {
		e.b = append(e.b, 0)
	}
}

func (e *encoder) uint32(n uint32) {
	e.align(4)
	e.b = binary.LittleEndian.AppendUint32(e.b, n)
}

func (e *encoder) uint64(n uint64) {
	e.align(8)
	e.b = binary.LittleEndian.AppendUint64(e.b, n)
}

// string is a length, the bytes, and a NUL that does not count. A string is UTF-8 without NUL.
func (e *encoder) string(s string) {
	if strings.ContainsRune(s, 0) || !utf8.ValidString(s) || len(s) > maxMessage {
		e.fail("string %.40q", s)
	}
	e.uint32(uint32(len(s)))
	e.b = append(append(e.b, s...), 0)
}

// signature is a string with a length of one byte.
func (e *encoder) signature(s string) {
	if len(s) > math.MaxUint8 {
		e.fail("signature %.40q", s)
	}
	e.b = append(append(append(e.b, byte(len(s))), s...), 0)
}

// array is the length of the elements in bytes, which does not count the padding before the first.
func (e *encoder) array(alignment int, elements func()) {
	e.uint32(0)
	length := len(e.b) - 4
	e.align(alignment)
	start := len(e.b)
	elements()
	binary.LittleEndian.PutUint32(e.b[length:], uint32(len(e.b)-start))
}

func (e *encoder) variant(v any) {
	e.signature(signature(v))
	e.value(v)
}

func (e *encoder) value(v any) {
	switch v := v.(type) {
	case string:
		e.string(v)
	case ObjectPath:
		e.string(string(v))
	case bool:
		n := uint32(0)
		if v {
			n = 1
		}
		e.uint32(n)
	case int32:
		e.uint32(uint32(v))
	case uint32:
		e.uint32(v)
	case int64:
		e.uint64(uint64(v))
	case uint64:
		e.uint64(v)
	default:
		e.container(v)
	}
}

func (e *encoder) container(v any) {
	switch v := v.(type) {
	case []byte:
		e.array(1, func() { e.b = append(e.b, v...) })
	case []uint32:
		e.array(4, func() {
			for _, n := range v {
				e.uint32(n)
			}
		})
	case []string:
		e.array(4, func() {
			for _, s := range v {
				e.string(s)
			}
		})
	case Properties:
		e.array(8, func() { e.properties(v) })
	case Units:
		e.array(8, func() {
			for _, u := range v {
				e.align(8)
				e.string(u.Name)
				e.container(u.Properties)
			}
		})
	default:
		e.fail("a value of type %T", v)
	}
}

func (e *encoder) properties(list Properties) {
	for _, p := range list {
		e.align(8)
		e.string(p.Name)
		e.variant(p.Value)
	}
}
