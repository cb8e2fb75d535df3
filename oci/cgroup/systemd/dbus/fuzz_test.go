// SPDX-License-Identifier: Apache-2.0

package dbus

import (
	"bytes"
	"encoding/binary"
	"testing"

	godbus "github.com/godbus/dbus/v5"
)

// FuzzParseMessage: no bytes of a peer crash the reader or make it take memory without end.
func FuzzParseMessage(f *testing.F) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, body := range [][]any{nil, {"text"}, {uint32(1), godbus.ObjectPath("/j"), "a.scope", "done"}, {godbus.MakeVariant("252")}, {[]string{"x"}}} {
			m := &godbus.Message{Type: godbus.TypeMethodReply, Body: body, Headers: map[godbus.HeaderField]godbus.Variant{
				godbus.FieldReplySerial: godbus.MakeVariant(uint32(3)),
			}}
			if len(body) > 0 {
				m.Headers[godbus.FieldSignature] = godbus.MakeVariant(godbus.SignatureOf(body...))
			}
			var b bytes.Buffer
			if err := m.EncodeTo(&b, order); err != nil {
				f.Fatal(err)
			}
			f.Add(b.Bytes())
		}
	}
	f.Add([]byte("l\x02\x00\x01\xff\xff\xff\xff\x01\x00\x00\x00\xff\xff\xff\xff"))
	f.Add(append([]byte("l\x02\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x10\x00\x00\x00\x06\x01v\x00"), make([]byte, 12)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMessage(b)
		if err != nil {
			return
		}
		values, err := m.Values()
		if err == nil && len(values) != len(m.signature) {
			t.Errorf("%d values of %q", len(values), m.signature)
		}
		_ = m.err()
	})
}
