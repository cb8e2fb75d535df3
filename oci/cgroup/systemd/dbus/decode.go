// SPDX-License-Identifier: Apache-2.0

package dbus

import (
	"encoding/binary"
	"unicode/utf8"
)

// A decoder reads values of the basic types. After an error everything is zero.
type decoder struct {
	b     []byte // the message, or its body: alignment counts from its start
	at    int
	order binary.ByteOrder
	err   error
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = ErrProtocol
	}
	d.at = len(d.b)
}

// take returns the next n bytes at a multiple of the alignment; nil: there are not so many.
func (d *decoder) take(n, alignment int) []byte {
	start := (d.at + alignment - 1) / alignment * alignment
	if d.err != nil || n < 0 || start > len(d.b) || len(d.b)-start < n {
		d.fail()
		return nil
	}
	d.at = start + n
	return d.b[start:d.at]
}

func (d *decoder) byte() byte {
	if b := d.take(1, 1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uint16() uint16 {
	if b := d.take(2, 2); b != nil {
		return d.order.Uint16(b)
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if b := d.take(4, 4); b != nil {
		return d.order.Uint32(b)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.take(8, 8); b != nil {
		return d.order.Uint64(b)
	}
	return 0
}

func (d *decoder) string() string { return d.text(int(d.uint32())) }

func (d *decoder) signature() string { return d.text(int(d.byte())) }

// text reads n bytes and a NUL.
func (d *decoder) text(n int) string {
	if n > maxMessage {
		d.fail()
		return ""
	}
	b := d.take(n+1, 1)
	if b == nil {
		return ""
	}
	if b[n] != 0 || !utf8.Valid(b[:n]) {
		d.fail()
		return ""
	}
	return string(b[:n])
}

// value reads a value of a basic type, or a variant of one. Numbers come as uint64.
func (d *decoder) value(kind byte, depth int) any {
	switch kind {
	case 'y':
		return uint64(d.byte())
	case 'n', 'q':
		return uint64(d.uint16())
	case 'b', 'i', 'u', 'h':
		return uint64(d.uint32())
	case 'x', 't', 'd':
		return d.uint64()
	case 's', 'o':
		return d.string()
	case 'g':
		return d.signature()
	case 'v':
		if s := d.signature(); len(s) == 1 && depth < maxDepth {
			return d.value(s[0], depth+1)
		}
	}
	d.fail()
	return nil
}

// maxDepth bounds variants in variants.
const maxDepth = 8
