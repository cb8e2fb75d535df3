// SPDX-License-Identifier: Apache-2.0

package criu

import (
	"encoding/binary"
	"errors"
)

// errWire: bytes that are no protobuf message.
var errWire = errors.New("malformed message")

// Types of fields on the wire (protobuf.dev/programming-guides/encoding).
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

// A message is an encoded protobuf message. A field is a key, number*8 + type, and its value.
type message []byte

func (m *message) key(field, kind int) { *m = binary.AppendUvarint(*m, uint64(field<<3|kind)) }

// number appends a number or an enum; negative ones have ten bytes.
func (m *message) number(field int, v int64) {
	m.key(field, wireVarint)
	*m = binary.AppendUvarint(*m, uint64(v))
}

// flag appends a bool, if it is set: all of criu's are false by default.
func (m *message) flag(field int, v bool) {
	if v {
		m.number(field, 1)
	}
}

func (m *message) bytes(field int, b []byte) {
	m.key(field, wireBytes)
	*m = append(binary.AppendUvarint(*m, uint64(len(b))), b...)
}

// text appends a string, if there is one.
func (m *message) text(field int, s string) {
	if s != "" {
		m.bytes(field, []byte(s))
	}
}

// fields calls f for every field of a message: with the number of a varint, or with the bytes of a string or a message.
func fields(b []byte, f func(field int, n uint64, b []byte) error) error {
	for len(b) > 0 {
		key, size := binary.Uvarint(b)
		if size <= 0 {
			return errWire
		}
		b = b[size:]
		var n uint64
		var part []byte
		switch key & 7 {
		case wireVarint:
			if n, size = binary.Uvarint(b); size <= 0 {
				return errWire
			}
		case wireBytes:
			length, prefix := binary.Uvarint(b)
			if prefix <= 0 || length > uint64(len(b)-prefix) {
				return errWire
			}
			size = prefix + int(length)
			part = b[prefix:size]
		case wire64:
			size = 8
		case wire32:
			size = 4
		default:
			return errWire
		}
		if size > len(b) {
			return errWire
		}
		b = b[size:]
		if err := f(int(key>>3), n, part); err != nil {
			return err
		}
	}
	return nil
}
