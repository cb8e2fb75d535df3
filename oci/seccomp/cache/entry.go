// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"runtime"
	"strconv"

	"crisp/oci/seccomp"
)

// A Key names the program of one profile.
type Key [sha256.Size]byte

// KeyOf returns the key of a profile as it stands in config.json.
func KeyOf(raw []byte) Key {
	h := sha256.New()
	h.Write([]byte("crisp seccomp " + strconv.Itoa(seccomp.Version) + " " + runtime.GOARCH + "\n"))
	h.Write(raw)
	return Key(h.Sum(nil))
}

// name is the entry's file.
func (k Key) name() string { return hex.EncodeToString(k[:]) }

// An entry in the machine's byte order:
//
//	offset  bytes
//	0       8      magic
//	8       32     SHA-256 of all that follows
//	40      32     key
//	72      8      flags
//	80      4      instructions, of 8 bytes each
//	84      4      listener: 0 none, 1 is sent, 2 is taken
//	88      4      bytes of its path
//	92      4      bytes of its metadata
//	96             instructions, path, metadata
const (
	magic        = "crispbp1"
	digestOffset = len(magic)
	bodyOffset   = digestOffset + sha256.Size
	flagsOffset  = bodyOffset + len(Key{})
	headerSize   = flagsOffset + 24

	sent, taken     = 1, 2
	maxInstructions = 4096 // BPF_MAXINSNS
	instructionSize = 8
	maxEntry        = 256 << 10 // bytes; a listener with more metadata is not kept
)

// encode returns the entry of a program; nil when it is too large for one.
func encode(k Key, p seccomp.Program) []byte {
	var l seccomp.Listener
	var listens uint32
	if p.Listener != nil {
		if l, listens = *p.Listener, sent; l.ByWrite {
			listens = taken
		}
	}
	size := headerSize + len(p.Bytes) + len(l.Path) + len(l.Metadata)
	if size > maxEntry {
		return nil
	}
	b := make([]byte, bodyOffset, size)
	copy(b, magic)
	b = append(b, k[:]...)
	b = binary.NativeEndian.AppendUint64(b, p.Flags)
	for _, n := range []uint32{uint32(len(p.Bytes) / instructionSize), listens, uint32(len(l.Path)), uint32(len(l.Metadata))} {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	b = append(b, p.Bytes...)
	b = append(b, l.Path...)
	b = append(b, l.Metadata...)
	seal(b)
	return b
}

// seal sets the digest.
func seal(b []byte) {
	digest := sha256.Sum256(b[bodyOffset:])
	copy(b[digestOffset:], digest[:])
}

// decode reads an entry. The program shares its memory. Not ok: it is none, or not of this key.
func decode(k Key, b []byte) (p seccomp.Program, ok bool) {
	if len(b) < headerSize || len(b) > maxEntry || string(b[:digestOffset]) != magic || !bytes.Equal(b[bodyOffset:flagsOffset], k[:]) {
		return seccomp.Program{}, false
	}
	if digest := sha256.Sum256(b[bodyOffset:]); !bytes.Equal(b[digestOffset:bodyOffset], digest[:]) {
		return seccomp.Program{}, false
	}
	word := func(i int) int { return int(binary.NativeEndian.Uint32(b[flagsOffset+8+4*i:])) }
	instructions, listens, path, metadata := word(0), word(1), word(2), word(3)
	if instructions == 0 || instructions > maxInstructions || listens > taken || path > maxEntry || metadata > maxEntry ||
		listens == 0 && path+metadata > 0 || len(b) != headerSize+instructionSize*instructions+path+metadata {
		return seccomp.Program{}, false
	}
	rest := b[headerSize:]
	p.Flags = binary.NativeEndian.Uint64(b[flagsOffset:])
	p.Bytes, rest = rest[:instructionSize*instructions:instructionSize*instructions], rest[instructionSize*instructions:]
	if listens != 0 {
		p.Listener = &seccomp.Listener{Path: string(rest[:path]), Metadata: string(rest[path:]), ByWrite: listens == taken}
	}
	return p, true
}
