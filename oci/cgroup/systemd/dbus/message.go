// SPDX-License-Identifier: Apache-2.0

package dbus

import (
	"encoding/binary"
	"fmt"
)

// A message ("Message Format"):
//
//	byte    'l' or 'B', type, flags, version 1
//	uint32  length of the body, serial
//	array   of (byte field, variant value)
//	        padding to a multiple of 8, the body
const (
	fixedSize  = 16 // up to the length of the array
	maxMessage = 1 << 24
	version    = 1
)

// Types of messages.
const (
	typeCall = iota + 1
	typeReply
	typeError
	typeSignal
)

// Fields of the header.
const (
	fieldPath = iota + 1
	fieldInterface
	fieldMember
	fieldErrorName
	fieldReplySerial
	fieldDestination
	fieldSender
	fieldSignature
)

// A Call is a method call.
type Call struct {
	Destination string // a bus's name of whom is asked; a peer does not look at it
	Path        ObjectPath
	Interface   string
	Member      string
	Body        []any
}

// encode writes the message.
func (c *Call) encode(serial uint32) ([]byte, error) {
	var body, e encoder
	types := ""
	for _, v := range c.Body {
		types += signature(v)
		body.value(v)
	}
	e.b = append(e.b, 'l', typeCall, 0, version)
	e.uint32(uint32(len(body.b)))
	e.uint32(serial)
	e.array(8, func() {
		field := func(code byte, signature string, write func()) {
			e.align(8)
			e.b = append(e.b, code)
			e.signature(signature)
			write()
		}
		field(fieldPath, "o", func() { e.string(string(c.Path)) })
		field(fieldInterface, "s", func() { e.string(c.Interface) })
		field(fieldMember, "s", func() { e.string(c.Member) })
		field(fieldDestination, "s", func() { e.string(c.Destination) })
		if types != "" {
			field(fieldSignature, "g", func() { e.signature(types) })
		}
	})
	e.align(8)
	if e.err == nil {
		e.err = body.err
	}
	if e.err == nil && len(e.b)+len(body.b) > maxMessage {
		e.fail("a message of %d bytes", len(e.b)+len(body.b))
	}
	return append(e.b, body.b...), e.err
}

// A Message is a reply, an error or a signal.
type Message struct {
	kind        byte
	replySerial uint32
	errorName   string
	signature   string
	order       binary.ByteOrder
	body        []byte

	Path              string
	Interface, Member string
}

// size tells from the first fixedSize bytes how long the message is.
func size(b []byte) (int, error) {
	order, err := byteOrder(b[0])
	if err != nil {
		return 0, err
	}
	body, fields := order.Uint32(b[4:]), order.Uint32(b[12:])
	if b[3] != version || body > maxMessage || fields > maxMessage {
		return 0, ErrProtocol
	}
	n := fixedSize + (int(fields)+7)/8*8 + int(body)
	if n > maxMessage {
		return 0, ErrProtocol
	}
	return n, nil
}

func byteOrder(b byte) (binary.ByteOrder, error) {
	switch b {
	case 'l':
		return binary.LittleEndian, nil
	case 'B':
		return binary.BigEndian, nil
	}
	return nil, ErrProtocol
}

// parseMessage reads a message of the size that its start tells.
func parseMessage(b []byte) (Message, error) {
	if len(b) < fixedSize {
		return Message{}, ErrProtocol
	}
	if n, err := size(b); err != nil || n != len(b) {
		return Message{}, ErrProtocol
	}
	order, _ := byteOrder(b[0])
	m := Message{kind: b[1], order: order}
	bodyAt := len(b) - int(order.Uint32(b[4:]))
	d := decoder{b: b[:fixedSize+int(order.Uint32(b[12:]))], at: fixedSize, order: order}
	for d.at < len(d.b) {
		d.take(0, 8)
		code, types := d.byte(), d.signature()
		if len(types) != 1 {
			d.fail()
			break
		}
		m.set(code, d.value(types[0], 0))
	}
	m.body = b[bodyAt:]
	return m, d.err
}

// set takes a field of the header. One of a wrong type is as good as none.
func (m *Message) set(code byte, value any) {
	if n, ok := value.(uint64); ok {
		if code == fieldReplySerial {
			m.replySerial = uint32(n)
		}
		return
	}
	text, _ := value.(string)
	switch code {
	case fieldPath:
		m.Path = text
	case fieldInterface:
		m.Interface = text
	case fieldMember:
		m.Member = text
	case fieldErrorName:
		m.errorName = text
	case fieldSignature:
		m.signature = text
	}
}

// Values reads the arguments, whose types are basic ones: numbers are uint64, the others string.
func (m *Message) Values() ([]any, error) {
	d := decoder{b: m.body, order: m.order}
	var values []any
	for i := range len(m.signature) {
		values = append(values, d.value(m.signature[i], 0))
		if d.err != nil {
			return nil, fmt.Errorf("%w: arguments %q", d.err, m.signature)
		}
	}
	return values, nil
}

// Strings reads the arguments that are strings or paths, and leaves the numbers between them out.
func (m *Message) Strings() ([]string, error) {
	values, err := m.Values()
	var texts []string
	for _, v := range values {
		if s, ok := v.(string); ok {
			texts = append(texts, s)
		}
	}
	return texts, err
}

// err is what an error reply says.
func (m *Message) err() error {
	if m.kind != typeError {
		return nil
	}
	e := &Error{Name: m.errorName}
	if texts, _ := m.Strings(); len(texts) > 0 {
		e.Message = texts[0]
	}
	return e
}
